import { type FileId, idFromBytes } from '../../../protocols/core/ids.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { BLOCK_BYTES } from '../../../protocols/metainfo/index.ts'
import type { ProvableFile } from '../../../protocols/proof/handler.ts'
import { type Answer, challengedBlocks, type ShownBlock } from '../../../protocols/proof/index.ts'
import { naiveTree } from '../metainfo/naive-tree.ts'

/** A file in memory, with the tree that the specification says. */
export class Sample implements ProvableFile {
  readonly data: Uint8Array
  readonly id: FileId
  readonly layers: Uint8Array[][]
  costBytes: number
  shown = 0

  constructor(size: number, seed = size) {
    const rng = seededRng(seed)
    this.data = Uint8Array.from({ length: size }, () => rng.uint32() & 0xff)
    this.layers = naiveTree(this.data)
    this.id = idFromBytes<FileId>(this.layers.at(-1)![0]!)
    this.costBytes = size
  }

  get size(): number {
    return this.data.byteLength
  }

  async show(blocks: readonly number[]): Promise<ShownBlock[] | undefined> {
    this.shown++
    return blocks.map(block => this.block(block))
  }

  /** The first so many layers of its path. */
  block(block: number, height = this.layers.length - 1): ShownBlock {
    const uncles = this.layers.slice(0, height).map((layer, i) => layer[Math.floor(block / 2 ** i) ^ 1]!)
    return {
      data: this.data.slice(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES),
      uncles: new Uint8Array(Buffer.concat(uncles))
    }
  }

  answer(challenge: number): Extract<Answer, { type: 'proof' }> {
    const blocks = challengedBlocks(challenge, this.size).map(block => this.block(block))
    return { type: 'proof', size: this.size, blocks }
  }
}

import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { type FileId, idFromBytes, idToBytes } from '../core/ids.ts'
import { blockCount, HASH_BYTES, treeHeight } from '../metainfo/index.ts'
import { blockBytes, challengedBlocks } from './challenge.ts'
import { proofLimits } from './config.ts'

export interface Question {
  readonly id: FileId
  /** Drawn by the asker; says which block beside the last is to be shown. */
  readonly challenge: number
}

/** A block's bytes, and its uncles from its leaf to the root, joined. */
export interface ShownBlock {
  readonly data: Uint8Array
  readonly uncles: Uint8Array
}

export type Answer =
  /** The file is not here, or the answerer has too much to do. */
  | { readonly type: 'refused' }
  /** `blocks` in the order of `challengedBlocks`. */
  | { readonly type: 'proof'; readonly size: number; readonly blocks: readonly ShownBlock[] }

const REFUSED = 0
const PROOF = 1

export const questionCodec: Codec<Question> = {
  encode({ id, challenge }) {
    return new ByteWriter(proofLimits.questionBytes).bytes(idToBytes(id)).u53(challenge).finish()
  },

  decode(bytes) {
    const reader = new ByteReader(bytes)
    const id = idFromBytes<FileId>(reader.bytes(HASH_BYTES))
    const challenge = reader.u53()
    if (challenge >= proofLimits.challenges) throw new DecodeError('a challenge out of range')
    reader.end()
    return { id, challenge }
  }
}

/** No length is on the wire: the size of the file says how long every part is. */
export const answerCodec: Codec<Answer> = {
  encode(answer) {
    if (answer.type === 'refused') return Uint8Array.of(REFUSED)
    const writer = new ByteWriter(proofLimits.maxAnswerBytes).u8(PROOF).u53(answer.size)
    for (const { data, uncles } of answer.blocks) writer.bytes(data).bytes(uncles)
    return writer.finish()
  },

  decode(bytes) {
    const reader = new ByteReader(bytes)
    const answer = readAnswer(reader)
    reader.end()
    return answer
  }
}

function readAnswer(reader: ByteReader): Answer {
  const kind = reader.u8()
  if (kind === REFUSED) return { type: 'refused' }
  if (kind !== PROOF) throw new DecodeError('an answer of an unknown kind')
  const size = reader.u53()
  if (size < 1 || size > proofLimits.maxSize) throw new DecodeError('a file size out of range')
  const uncleBytes = treeHeight(blockCount(size)) * HASH_BYTES
  // which of the other blocks it is makes no difference here: all of them are whole
  const blocks = challengedBlocks(0, size).map(block => ({
    data: reader.bytes(blockBytes(block, size)),
    uncles: reader.bytes(uncleBytes)
  }))
  return { type: 'proof', size, blocks }
}

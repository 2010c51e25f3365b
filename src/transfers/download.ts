import type { ExchangeService, SwarmHandle, SwarmNotice } from '../../protocols/exchange/handler.ts'
import type { SwarmStats } from '../../protocols/exchange/swarm-events.ts'
import { PartialContent } from '../library/content/partial-content.ts'
import type { TransferState } from '../library/content/transfer-state.ts'
import type { Storage } from '../library/content/verified-file.ts'
import type { Plan } from './plan.ts'

export interface DownloadParts {
  exchange: ExchangeService
  state: TransferState
  storage: Storage
}

export interface DownloadInit {
  plan: Plan
  /** Absolute folder that the file, or the collection's own folder, goes into. */
  folder: string
  /** Indices of files to fetch; undefined for all. */
  chosen: ReadonlySet<number> | undefined
  /** Whether the size of a file is certain; if not, its last piece is fetched first, and nothing else before. */
  isProven: boolean
  /** Bytes of earlier runs that were looked at. What it throws ends the opening. */
  onChecked(bytes: number): void
  onNotice(notice: SwarmNotice): void
}

/** The bytes of one plan on their way: partial files, and the swarm that fills them. */
export class Download {
  readonly plan: Plan
  readonly content: PartialContent
  readonly swarm: SwarmHandle
  /** The piece that proves the size; undefined where nothing has to be proven. */
  readonly proof: number | undefined

  private constructor(init: { plan: Plan; content: PartialContent; swarm: SwarmHandle; proof: number | undefined }) {
    this.plan = init.plan
    this.content = init.content
    this.swarm = init.swarm
    this.proof = init.proof
  }

  /** @throws ContentError, ShoalError EXISTS */
  static async open(parts: DownloadParts, init: DownloadInit): Promise<Download> {
    const { plan, folder, chosen } = init
    const { exchange, state, storage } = parts
    const { id, name, layout, metainfo } = plan
    state.put({ id, name, folder, size: layout.length, info: metainfo?.infoBytes, sources: plan.leads })
    const content = await PartialContent.open({
      id,
      layout,
      folder,
      name: plan.collection,
      state,
      storage,
      onChecked: init.onChecked
    })
    try {
      for (const [index, { root }] of layout.files.entries()) {
        const layer = root === undefined ? undefined : metainfo?.pieceLayers.get(root)
        if (layer !== undefined) content.learnPieceLayer(index, layer)
      }
      const isUncertain = metainfo === undefined && !init.isProven && layout.pieceCount > 0
      const proof = isUncertain ? layout.pieceCount - 1 : undefined
      const swarm = exchange.open({
        swarm: id,
        content,
        ...(chosen === undefined ? {} : { wanted: piece => chosen.has(layout.fileOfPiece(piece)) }),
        ...(proof === undefined ? {} : { first: proof }),
        onEvent: notice => init.onNotice(notice)
      })
      return new Download({ plan, content, swarm, proof })
    } catch (error) {
      await content.close()
      throw error
    }
  }

  /** The piece that proves the size was here already. */
  get hasProof(): boolean {
    const { proof, content } = this
    if (proof === undefined) return false
    for (let block = 0; block < content.layout.blocksIn(proof); block++)
      if (!content.hasBlock(proof, block)) return false
    return true
  }

  async close(): Promise<void> {
    await this.swarm.close()
  }
}

/** What two runs of a transfer have moved together; how far it is, and who is there, is what the later one says. */
export function together(before: SwarmStats | undefined, now: SwarmStats | undefined): SwarmStats | undefined {
  if (before === undefined || now === undefined) return now ?? before
  const past = new Map(before.pastSources.map(({ peer, goodBytes }) => [peer, goodBytes]))
  for (const { peer, goodBytes } of [...before.peers, ...now.pastSources]) {
    if (goodBytes > 0) past.set(peer, (past.get(peer) ?? 0) + goodBytes)
  }
  return {
    ...now,
    receivedBytes: before.receivedBytes + now.receivedBytes,
    wastedBytes: before.wastedBytes + now.wastedBytes,
    sentBytes: before.sentBytes + now.sentBytes,
    pastSources: [...past].map(([peer, goodBytes]) => ({ peer, goodBytes }))
  }
}

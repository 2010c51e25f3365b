import type { FileId } from '../core/ids.ts'
import type { Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { HashRange } from '../metainfo/index.ts'
import type { Chunk, ExchangeMessage } from './messages.ts'

/** What the handler tells the machine of the bytes that pass it by. */
export type SwarmCommand =
  /** A piece message that the machine expected, and what `Content.verify` says of it. */
  | ({ readonly type: 'block'; readonly from: Peer; readonly verdict: 'good' | 'bad' | 'unknown' } & Chunk)
  /** A `write` is over. */
  | ({ readonly type: 'stored' | 'writeFailed' } & Chunk)
  /** Hashes that the machine expected, and what `Content.addHashes` says of them. */
  | {
      readonly type: 'hashesAdded'
      readonly from: Peer
      readonly root: FileId
      readonly range: HashRange
      readonly verdict: 'good' | 'bad'
    }
  /** An `upload` is over. `sent`: its bytes went out; else they could not be read, and the machine rejects the request. */
  | ({ readonly type: 'uploaded'; readonly to: Peer; readonly sent: boolean } & Chunk)
  /** A `serveHashes` is over: the handler has sent hashes or a reject. */
  | { readonly type: 'hashesServed'; readonly to: Peer }
  /** No more is to be asked for, or again. */
  | { readonly type: 'pause' | 'resume' }

export type DropReason =
  /** Bytes or hashes that are not the file's. */
  | 'liar'
  /** It broke a rule of the protocol. */
  | 'violation'
  /** Nothing was heard of it, or nothing came that it owed. */
  | 'silent'
  /** Neither side has anything that the other wants. */
  | 'redundant'
  /** It does not speak BitTorrent v2. */
  | 'incompatible'
  /** It knows the content in another size: one of both was told wrong, and who it was cannot be seen here. */
  | 'otherSize'
  | 'full'

export type SwarmEvent =
  /** Read these bytes and send them to the peer, in the order of the events; then say `uploaded`. */
  | ({ readonly type: 'upload'; readonly to: Peer } & Chunk)
  /** Send these hashes, or a reject, before any upload that comes later; then say `hashesServed`. */
  | {
      readonly type: 'serveHashes'
      readonly to: Peer
      readonly file: number
      readonly root: FileId
      readonly range: HashRange
    }
  /** Only in answer to `block`: write this part of it; then say `stored` or `writeFailed`. */
  | ({ readonly type: 'write' } & Chunk)
  /** The machine has forgotten the peer: close its stream. */
  | { readonly type: 'drop'; readonly peer: Peer; readonly why: DropReason; readonly reason: string }
  | { readonly type: 'liar'; readonly peer: Peer; readonly reason: string }
  /** What the peer itself says of the size of the content. */
  | { readonly type: 'sizeStated'; readonly peer: Peer; readonly bytes: number }
  | { readonly type: 'pieceDone'; readonly piece: number }
  | { readonly type: 'progress'; readonly storedBytes: number }
  /** Every wanted piece is stored. */
  | { readonly type: 'done' }

/** Whether the peer is penalised for what it sent, not for how it behaved. */
export function isLiar(peer: Peer, outputs: readonly Output<ExchangeMessage, SwarmEvent>[]): boolean {
  return outputs.some(
    output =>
      output.type === 'event' &&
      output.event.type === 'drop' &&
      output.event.peer === peer &&
      output.event.why === 'liar'
  )
}

export interface SwarmStats {
  readonly pieces: number
  readonly piecesDone: number
  readonly wantedBytes: number
  /** Of wanted pieces, stored and verified. */
  readonly storedBytes: number
  /** Every wanted piece is stored. */
  readonly isFinished: boolean
  readonly isPaused: boolean
  /** Since the machine was made. */
  readonly receivedBytes: number
  /** Received and of no use: it was here already, or could not be verified. */
  readonly wastedBytes: number
  readonly sentBytes: number
  /** Bytes per second. */
  readonly down: number
  readonly up: number
  readonly peers: readonly SourceStats[]
  /** Peers that have left after sending something; one that came back is in both lists. */
  readonly pastSources: readonly { readonly peer: Peer; readonly goodBytes: number }[]
}

export interface SourceStats {
  readonly peer: Peer
  /** Good blocks that it sent. */
  readonly goodBytes: number
  readonly wastedBytes: number
  readonly sentBytes: number
  readonly down: number
  readonly up: number
  /** Pieces that it has. */
  readonly pieces: number
  /** Bytes that it owes us. */
  readonly owedBytes: number
  readonly isChoking: boolean
  readonly isInteresting: boolean
  readonly isChoked: boolean
  readonly isInterested: boolean
  readonly isSnubbing: boolean
}

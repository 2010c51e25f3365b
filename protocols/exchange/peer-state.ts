import type { Peer } from '../core/peer.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { ChokerPeer } from './choker.ts'
import { type ExchangeConfig, exchangeLimits } from './config.ts'
import type { Features } from './handshake.ts'
import { PeerRequests } from './peer-requests.ts'
import type { Counted } from './piece-picker.ts'
import { PieceSet } from './piece-set.ts'
import { Rate } from './rate.ts'
import { UploadQueue } from './upload-queue.ts'

/** Everything that a swarm remembers of one connected peer. */
export class PeerState {
  readonly peer: Peer
  readonly connectedAt: number
  readonly #config: ExchangeConfig

  /** Undefined until its handshake came. */
  features: Features | undefined
  /** Its bitfield came, or the time for it is over (BEP 3: only as the first message). */
  toldPieces = false
  pieces: PieceSet
  counted: Counted = 'not'
  /** Pieces that it has and we want. */
  wantedPieces = 0
  /** What it was like when the picker found nothing for it: the same again needs no search. */
  nothingFits: { readonly changes: number; readonly maxBlocks: number } | undefined

  /** We let it wait. */
  isChoked = true
  unchokedSince: number | undefined
  chokedSince: number | undefined
  /** It wants something of us. */
  isInterested = false
  hasBeenInterested = false
  /** It lets us wait. */
  isChoking = true
  /** We want something of it. */
  isInteresting = false

  /** Longest request that it accepts. */
  maxRequestBytes = exchangeLimits.plainRequestBytes
  /** How many requests it keeps. */
  requestQueue = exchangeLimits.defaultRequestQueue
  readonly requests: PeerRequests
  readonly uploads: UploadQueue
  hashesBeingServed = 0

  readonly received: Rate
  readonly sent: Rate
  goodBytes = 0
  wastedBytes = 0

  lastHeardAt: number
  lastSaidAt: number
  /** When it last sent a block, or was first asked for one. */
  lastBlockAt: number
  isSnubbing = false
  /** Rejects since its last block. */
  rejects = 0
  /** Not to be asked for anything before then. */
  restUntil = 0
  /** Answers that nobody asked for. */
  unasked = 0
  /** For messages that bring nothing: see `exchangeLimits.idleTalk`. */
  readonly idleTalk = new TokenBucket(exchangeLimits.idleTalk)

  constructor(peer: Peer, init: { pieces: number; blocksPerPiece: number; config: ExchangeConfig; now: number }) {
    this.peer = peer
    this.#config = init.config
    this.connectedAt = init.now
    this.lastHeardAt = init.now
    this.lastSaidAt = init.now
    this.lastBlockAt = init.now
    this.pieces = new PieceSet(init.pieces)
    this.received = new Rate(init.config.rateSpanMs)
    this.sent = new Rate(init.config.rateSpanMs)
    this.requests = new PeerRequests(init.config, init.blocksPerPiece)
    this.uploads = new UploadQueue(init.config.uploadWindowBytes)
  }

  forChoker(isSeed: boolean, now: number): ChokerPeer {
    const owes = this.requests.count > 0 || this.isSnubbing
    return {
      peer: this.peer,
      isInterested: this.isInterested,
      unchokedSince: this.unchokedSince,
      chokedSince: this.chokedSince,
      connectedAt: this.connectedAt,
      rate: (isSeed ? this.sent : this.received).perSecond(now),
      isSnubbing: owes && now - this.lastBlockAt >= this.#config.antiSnubMs
    }
  }
}

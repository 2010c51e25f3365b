import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { exchangeLimits } from './config.ts'
import type { PeerState } from './peer-state.ts'
import type { PiecePicker } from './piece-picker.ts'
import type { SourceStats, SwarmStats } from './swarm-events.ts'

/** Who has sent what, also those who have left. */
export class Account {
  readonly #past = { received: 0, wasted: 0, sent: 0 }
  /** Good bytes that each of those who have left sent. */
  readonly #pastSources = new BoundedMap<Peer, number>(exchangeLimits.maxPastSources)

  /** The peer leaves. */
  close(peer: PeerState): void {
    this.#past.received += peer.goodBytes + peer.wastedBytes
    this.#past.wasted += peer.wastedBytes
    this.#past.sent += peer.sent.total
    if (peer.goodBytes > 0) {
      this.#pastSources.set(peer.peer, (this.#pastSources.get(peer.peer) ?? 0) + peer.goodBytes)
    }
  }

  stats(swarm: { peers: Iterable<PeerState>; picker: PiecePicker; isPaused: boolean }, now: number): SwarmStats {
    const { picker, isPaused } = swarm
    const peers = [...swarm.peers].map(peer => statsOf(peer, now))
    const sum = (value: (peer: SourceStats) => number): number => peers.reduce((total, peer) => total + value(peer), 0)
    return {
      pieces: picker.wantedPieces,
      piecesDone: picker.wantedDone,
      wantedBytes: picker.wantedBytes,
      storedBytes: picker.storedBytes,
      isFinished: picker.isFinished,
      isPaused,
      receivedBytes: this.#past.received + sum(peer => peer.goodBytes + peer.wastedBytes),
      wastedBytes: this.#past.wasted + sum(peer => peer.wastedBytes),
      sentBytes: this.#past.sent + sum(peer => peer.sentBytes),
      down: sum(peer => peer.down),
      up: sum(peer => peer.up),
      peers,
      pastSources: [...this.#pastSources].map(([peer, goodBytes]) => ({ peer, goodBytes }))
    }
  }
}

function statsOf(peer: PeerState, now: number): SourceStats {
  return {
    peer: peer.peer,
    goodBytes: peer.goodBytes,
    wastedBytes: peer.wastedBytes,
    sentBytes: peer.sent.total,
    down: peer.received.perSecond(now),
    up: peer.sent.perSecond(now),
    pieces: peer.pieces.count,
    owedBytes: peer.requests.bytes,
    isChoking: peer.isChoking,
    isInteresting: peer.isInteresting,
    isChoked: peer.isChoked,
    isInterested: peer.isInterested,
    isSnubbing: peer.isSnubbing
  }
}

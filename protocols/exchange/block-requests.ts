import type { Peer } from '../core/peer.ts'
import { BLOCK_BYTES, type Layout } from '../metainfo/index.ts'
import { type BlockRun, chunkOf } from './block-run.ts'
import type { ExchangeConfig } from './config.ts'
import type { HashAsk, HashRequests } from './hash-requests.ts'
import type { Outbox } from './outbox.ts'
import type { Request } from './peer-requests.ts'
import type { PeerState } from './peer-state.ts'
import type { Candidate, PiecePicker } from './piece-picker.ts'

/** Rounds follow one another this far apart once the first ones of a while are used up. */
const ROUND_MS = 10
/** What rounds may be ahead of their pace, so that what happens now and then is answered at once. */
const AHEAD_MS = 200
/** A look at a piece takes a fifth of this: looking costs a fifth of the time at most, however large the swarm is. */
const LOOK_MS = 0.001
/** What a peer is given credit for that nothing is known of: it may help where somebody needs longer. */
const UNKNOWN_ANSWER_MS = 1_000

export interface BlockRequestsInit {
  layout: Layout
  config: ExchangeConfig
  picker: PiecePicker
  hashes: HashRequests
}

/**
 * What is asked of whom, and when. A peer that sends a block is asked for more at once, for it has paid with its bytes.
 * Everything else that may make somebody worth asking (an unchoke, a piece somebody has, hashes, what others did not
 * send) costs its sender a few bytes, and makes peers due: they are looked at in rounds, and rounds keep a pace. A peer
 * that nothing was found for is not looked at again before something has changed.
 */
export class BlockRequests {
  isPaused = false
  /** Bytes that wait for the disk. */
  writingBytes = 0
  readonly #layout: Layout
  readonly #config: ExchangeConfig
  readonly #picker: PiecePicker
  readonly #hashes: HashRequests
  readonly #peers: ReadonlyMap<Peer, PeerState>
  readonly #out: Outbox
  /** Asked of all peers, without what is given up. */
  #owedBytes = 0
  /** A bound of the whole swarm stopped somebody's requests: go on when there is room. */
  #isStarved = false
  readonly #due = new Set<PeerState>() // BOUNDED by the peers
  #areAllDue = false
  /** Until when the rounds so far last, at their pace. */
  #roundsUntil = Number.NEGATIVE_INFINITY
  /** Requests that were looked at in the end game. */
  #looks = 0

  constructor(init: BlockRequestsInit, peers: ReadonlyMap<Peer, PeerState>, out: Outbox) {
    this.#layout = init.layout
    this.#config = init.config
    this.#picker = init.picker
    this.#hashes = init.hashes
    this.#peers = peers
    this.#out = out
  }

  /** When `work` has something to do; undefined when nobody is due. */
  get nextRound(): number | undefined {
    const isDue = !this.isPaused && (this.#areAllDue || this.#due.size > 0)
    return isDue ? Math.ceil(this.#roundsUntil - AHEAD_MS) : undefined
  }

  /** The peer may be worth asking now. */
  wake(peer: PeerState, now: number): void {
    this.#due.add(peer)
    this.work(now)
  }

  wakeAll(now: number): void {
    this.#isStarved = false
    this.#areAllDue = true
    this.work(now)
  }

  /** There is room again. */
  wakeStarved(now: number): void {
    if (this.#isStarved) this.wakeAll(now)
  }

  /** Asks those who are due, if the time for it has come. */
  work(now: number): void {
    const at = this.nextRound
    if (at === undefined || now < at) return
    const before = this.#looks + this.#picker.looks
    const due = this.#areAllDue ? [...this.#peers.values()] : [...this.#due]
    this.#areAllDue = false
    this.#due.clear()
    for (const peer of due) this.#askInRound(peer, now)
    const looks = this.#looks + this.#picker.looks - before
    this.#roundsUntil = Math.max(now, this.#roundsUntil) + ROUND_MS + looks * LOOK_MS
  }

  /** The peer has sent something: the next requests go out at once, as long as something is found for it. */
  goOn(peer: PeerState, now: number): void {
    if (this.#mayAsk(peer, now)) this.#ask(peer, now, false)
  }

  /** A request is over. */
  forget(peer: PeerState, request: Request): void {
    if (request.state === 'asked') this.release(request)
    peer.requests.remove(request)
  }

  /** What a peer was asked for is free for others. */
  release(request: Request): void {
    this.#picker.release(request.run)
    this.#owedBytes -= request.chunk.length
  }

  /** The peer sends nothing of all that it owes. */
  takeBack(peer: PeerState): void {
    for (const request of [...peer.requests.values()]) this.forget(peer, request)
  }

  /** Nobody else needs to send what is here now. */
  cancelElsewhere({ piece }: BlockRun): void {
    if (!this.#picker.isOwed(piece)) return
    for (const other of this.#peers.values()) {
      for (const request of [...other.requests.values()]) {
        if (request.state !== 'asked' || request.run.piece !== piece || this.#picker.needs(request.run)) continue
        this.release(request)
        other.requests.cancel(request)
        this.#out.send(other, { type: 'cancel', ...request.chunk })
      }
    }
  }

  gone(peer: PeerState): void {
    this.takeBack(peer)
    this.#due.delete(peer)
  }

  #mayAsk(peer: PeerState, now: number): boolean {
    return !this.isPaused && peer.isInteresting && now >= peer.restUntil
  }

  #askInRound(peer: PeerState, now: number): void {
    if (!this.#mayAsk(peer, now)) return
    for (const ask of this.#hashes.takeLayers(peer.peer, peer.pieces, now)) this.#askHashes(peer, ask)
    this.#ask(peer, now, true)
  }

  /** Asks the peer for as much as it may be asked for now. */
  #ask(peer: PeerState, now: number, isRound: boolean): void {
    if (peer.isChoking || peer.isSnubbing) return
    const requestBytes = peer.requests.requestBytes(peer.maxRequestBytes, now)
    const windowBytes = peer.requests.windowBytes(requestBytes, now)
    const candidate = this.#candidate(peer, requestBytes, false)
    while (this.#hasRoom(peer, requestBytes, windowBytes)) {
      const run = this.#next(peer, candidate, isRound) ?? this.#again(peer, requestBytes, now)
      if (run === undefined) return
      this.#request(peer, run, now)
    }
  }

  /** What the picker chooses. That it found nothing stays true until something changes. */
  #next(peer: PeerState, candidate: Candidate, isRound: boolean): BlockRun | undefined {
    const { maxBlocks } = candidate
    const changes = this.#picker.freed + this.#hashes.changes
    const { nothingFits } = peer
    if (nothingFits !== undefined) {
      if (!isRound || (nothingFits.changes === changes && nothingFits.maxBlocks === maxBlocks)) return undefined
    }
    const run = this.#picker.next(candidate)
    peer.nothingFits = run === undefined ? { changes, maxBlocks } : undefined
    return run
  }

  #hasRoom(peer: PeerState, requestBytes: number, windowBytes: number): boolean {
    if (peer.requests.count >= peer.requestQueue) return false
    if (peer.requests.count > 0 && peer.requests.bytes + requestBytes > windowBytes) return false
    const { maxOutstandingBytes, maxWritingBytes } = this.#config
    const isFull = this.#owedBytes + requestBytes > maxOutstandingBytes || this.writingBytes > maxWritingBytes
    if (isFull) this.#isStarved = true
    return !isFull
  }

  #candidate(peer: PeerState, requestBytes: number, insist: boolean): Candidate {
    return {
      pieces: peer.pieces,
      counted: peer.counted,
      maxBlocks: requestBytes / BLOCK_BYTES,
      access: piece => this.#hashes.access(peer.peer, piece, insist)
    }
  }

  /**
   * End game: a peer with nothing to do is asked for what another one owes, if it would have it much sooner. The request
   * that would be waited for longest is chosen.
   */
  #again(peer: PeerState, requestBytes: number, now: number): BlockRun | undefined {
    if (peer.requests.count > 0 || !this.#picker.isEndGame) return undefined
    const { access, maxBlocks } = this.#candidate(peer, peer.maxRequestBytes, true)
    const answerMs = peer.requests.answerMs(requestBytes, now) ?? UNKNOWN_ANSWER_MS
    let longestMs = answerMs * this.#config.endGameGain
    let chosen: BlockRun | undefined
    for (const other of this.#peers.values()) {
      if (other === peer) continue
      for (const [request, answerMs] of other.requests.waits(now)) {
        this.#looks++
        const { run } = request
        if (request.state !== 'asked' || run.blocks > maxBlocks || !peer.pieces.has(run.piece)) continue
        if (this.#picker.owing(run) >= this.#config.endGameCopies || !this.#picker.needs(run)) continue
        const waitMs = this.#isOverdue(request, now) ? Number.POSITIVE_INFINITY : answerMs
        if (waitMs === undefined || waitMs <= longestMs) continue
        const { whole, from, to } = access(run.piece)
        const isWhole = run.blocks === this.#layout.blocksIn(run.piece)
        if (!(whole && isWhole) && !(run.block >= from && run.block + run.blocks <= to)) continue
        longestMs = waitMs
        chosen = run
      }
    }
    return chosen && this.#picker.ask(chosen)
  }

  #isOverdue(request: Request, now: number): boolean {
    return now - request.at >= this.#config.requestTimeoutMs
  }

  /** Asks for a run that the picker has taken. Leaves come right before the first blocks that need them. */
  #request(peer: PeerState, run: BlockRun, now: number): void {
    if (run.blocks < this.#layout.blocksIn(run.piece)) {
      const ask = this.#hashes.takeLeaves(peer.peer, run.piece, now)
      if (ask !== undefined) this.#askHashes(peer, ask)
    }
    const chunk = chunkOf(this.#layout, run)
    if (peer.requests.count === 0) peer.lastBlockAt = now
    peer.requests.add(run, chunk, now)
    this.#owedBytes += chunk.length
    this.#out.send(peer, { type: 'request', ...chunk })
  }

  #askHashes(peer: PeerState, { root, range }: HashAsk): void {
    this.#out.send(peer, { type: 'hashRequest', root, range })
  }
}

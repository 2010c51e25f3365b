import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { BLOCK_BYTES, type HashRange, type Layout } from '../metainfo/index.ts'
import { type ExchangeConfig, exchangeLimits } from './config.ts'
import { type HashAsk, HashRequests } from './hash-requests.ts'
import type { Chunk } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Request } from './peer-requests.ts'
import type { PeerState } from './peer-state.ts'
import { type BlockRun, type Candidate, PiecePicker, type Stored } from './piece-picker.ts'

export interface DownloadsInit extends Stored {
  layout: Layout
  config: ExchangeConfig
  rng: Rng
  /** See `Content.missingHashes`. Changes only between inputs of the machine. */
  missingHashes(piece: number): HashRange | undefined
  /** Pieces to fetch; all when absent. */
  wanted?: ((piece: number) => boolean) | undefined
}

/** The fetching half of a swarm: what to ask of whom, and what to make of the answers. */
export class Downloads {
  readonly picker: PiecePicker
  readonly #layout: Layout
  readonly #config: ExchangeConfig
  readonly #hashes: HashRequests
  readonly #peers: ReadonlyMap<Peer, PeerState>
  readonly #out: Outbox
  #isPaused = false
  /** Asked of all peers, without what is given up. */
  #owedBytes = 0
  #writingBytes = 0
  /** A bound of the whole swarm stopped somebody's requests: go on when there is room. */
  #isStarved = false
  #progressAt = Number.NEGATIVE_INFINITY

  constructor(init: DownloadsInit, peers: ReadonlyMap<Peer, PeerState>, out: Outbox) {
    this.#layout = init.layout
    this.#config = init.config
    this.#peers = peers
    this.#out = out
    this.picker = new PiecePicker({ ...init, randomFirstPieces: init.config.randomFirstPieces })
    this.#hashes = new HashRequests(init)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Whether something of what the peer would send by this is wanted. */
  expects(peer: PeerState, chunk: Chunk): boolean {
    const run = this.#runOf(chunk)
    return run !== undefined && peer.requests.find(run) !== undefined && this.picker.needs(run)
  }

  expectsHashes(peer: PeerState, root: FileId, range: HashRange): HashAsk | undefined {
    return this.#hashes.find(peer.peer, root, range)
  }

  /** The peer has said which pieces it has. */
  onPieces(peer: PeerState, now: number): void {
    peer.counted = this.picker.count(peer.pieces)
    for (let piece = 0; piece < peer.pieces.size; piece++) {
      if (peer.pieces.has(piece) && this.picker.wants(piece)) peer.wantedPieces++
    }
    this.#sayInterest(peer)
    this.fill(peer, now)
  }

  onHave(peer: PeerState, piece: number, now: number): void {
    if (!peer.pieces.add(piece)) return
    if (peer.counted === 'pieces') this.picker.countPiece(piece)
    if (!this.picker.wants(piece)) return
    peer.wantedPieces++
    this.#sayInterest(peer)
    this.fill(peer, now)
  }

  onChoke(peer: PeerState, now: number): void {
    peer.isChoking = true
    if (peer.features?.fast) return // each request is rejected or answered
    this.#takeBack(peer)
    this.fillAll(now)
  }

  onUnchoke(peer: PeerState, now: number): void {
    peer.isChoking = false
    peer.rejects = 0
    this.fill(peer, now)
  }

  onReject(peer: PeerState, chunk: Chunk, now: number): void {
    const run = this.#runOf(chunk)
    const request = run && peer.requests.find(run)
    if (request === undefined) {
      this.onUnasked(peer)
      return
    }
    this.#forget(peer, request)
    if (request.state === 'cancelled') return
    if (!peer.isChoking) {
      // it changes its mind, is overloaded, or baits: each reject in a row doubles the rest
      peer.rejects++
      peer.restUntil = now + Math.min(FIRST_REST_MS * 2 ** Math.min(peer.rejects, 16), LONGEST_REST_MS)
    }
    this.fillAll(now)
  }

  /** An answer that was not asked for. A few happen where a cancel crosses its answer. */
  onUnasked(peer: PeerState): void {
    if (++peer.unasked > exchangeLimits.unaskedAnswers) this.#out.drop(peer, 'violation', 'answers nobody asked for')
  }

  /** A piece message that was not expected: a duplicate, or never asked for. */
  onUnexpected(peer: PeerState, chunk: Chunk, now: number): void {
    peer.wastedBytes += chunk.length
    const run = this.#runOf(chunk)
    const request = run && peer.requests.find(run)
    if (request === undefined) {
      this.onUnasked(peer)
      return
    }
    this.#arrived(peer, request, now)
    this.fill(peer, now)
  }

  onBlock(peer: PeerState, chunk: Chunk, verdict: 'good' | 'bad' | 'unknown', now: number): void {
    const run = this.#runOf(chunk)
    const request = run && peer.requests.find(run)
    if (request === undefined) throw new Error('a block that was not expected')
    if (verdict === 'bad') {
      peer.wastedBytes += chunk.length
      const reason = `piece ${chunk.piece}: bytes ${chunk.begin} to ${chunk.begin + chunk.length} are not the file's`
      this.#out.event({ type: 'liar', peer: peer.peer, reason })
      this.#out.drop(peer, 'liar', reason)
      return
    }
    if (verdict === 'unknown') {
      this.#arrived(peer, request, now)
      peer.wastedBytes += chunk.length
      peer.restUntil = now + FIRST_REST_MS // its hashes are late
      return
    }
    this.#keep(peer, request)
    this.#arrived(peer, request, now)
    this.#cancelElsewhere(request.run)
    this.fill(peer, now)
    if (this.#isStarved) this.fillAll(now)
  }

  onStored(chunk: Chunk, now: number): void {
    this.#writingBytes -= chunk.length
    if (this.picker.store(this.#runOf(chunk)!)) this.#pieceDone(chunk.piece)
    const isDone = this.picker.isFinished
    if (isDone || now - this.#progressAt >= this.#config.progressMs) {
      this.#progressAt = now
      this.#out.event({ type: 'progress', storedBytes: this.picker.storedBytes })
    }
    if (isDone) this.#out.event({ type: 'done' })
    else if (this.#isStarved) this.fillAll(now)
  }

  onWriteFailed(chunk: Chunk): void {
    this.#writingBytes -= chunk.length
    this.picker.lose(this.#runOf(chunk)!)
    this.#isPaused = true
  }

  onHashesAdded(peer: PeerState, root: FileId, range: HashRange, verdict: 'good' | 'bad', now: number): void {
    const ask = this.#hashes.find(peer.peer, root, range)
    if (ask === undefined) throw new Error('hashes that were not expected')
    if (verdict === 'bad') {
      const reason = `hashes of layer ${range.base} from ${range.index} on do not lead to the root`
      this.#out.event({ type: 'liar', peer: peer.peer, reason })
      this.#out.drop(peer, 'liar', reason)
      return
    }
    this.#hashes.answered(peer.peer, ask)
    this.fillAll(now)
  }

  onHashReject(peer: PeerState, root: FileId, range: HashRange, now: number): void {
    const ask = this.#hashes.find(peer.peer, root, range)
    if (ask === undefined) {
      this.onUnaskedHashes(peer)
      return
    }
    this.#hashes.refused(peer.peer, ask, now)
    this.fillAll(now)
  }

  onUnaskedHashes(peer: PeerState): void {
    if (!this.#hashes.takeLate(peer.peer)) this.onUnasked(peer)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(now: number): void {
    this.#isPaused = false
    this.fillAll(now)
  }

  tick(now: number): void {
    this.#hashes.expire(now)
    for (const peer of [...this.#peers.values()]) this.#checkDebts(peer, now)
    this.fillAll(now)
  }

  /** The peer has left: what it owed is free. */
  onGone(peer: PeerState, now: number): void {
    this.#takeBack(peer)
    this.picker.uncount(peer.pieces, peer.counted)
    peer.counted = 'not'
    this.#hashes.gone(peer.peer)
    this.fillAll(now)
  }

  fillAll(now: number): void {
    this.#isStarved = false
    for (const peer of this.#peers.values()) this.fill(peer, now)
  }

  /** Asks the peer for as much as it may be asked for now. */
  fill(peer: PeerState, now: number): void {
    if (this.#isPaused || !peer.isInteresting || now < peer.restUntil) return
    for (const ask of this.#hashes.takeLayers(peer.peer, peer.pieces, now)) this.#askHashes(peer, ask)
    if (peer.isChoking || peer.isSnubbing) return
    const requestBytes = peer.requests.requestBytes(peer.maxRequestBytes, now)
    const windowBytes = peer.requests.windowBytes(requestBytes, now)
    const candidate = this.#candidate(peer, requestBytes, false)
    while (this.#hasRoom(peer, requestBytes, windowBytes)) {
      const run = this.picker.next(candidate) ?? this.#again(peer, requestBytes, now)
      if (run === undefined) return
      this.#request(peer, run, now)
    }
  }

  #hasRoom(peer: PeerState, requestBytes: number, windowBytes: number): boolean {
    if (peer.requests.count >= peer.requestQueue) return false
    if (peer.requests.count > 0 && peer.requests.bytes + requestBytes > windowBytes) return false
    const { maxOutstandingBytes, maxWritingBytes } = this.#config
    const isFull = this.#owedBytes + requestBytes > maxOutstandingBytes || this.#writingBytes > maxWritingBytes
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
    if (peer.requests.count > 0 || !this.picker.isEndGame) return undefined
    const { access, maxBlocks } = this.#candidate(peer, peer.maxRequestBytes, true)
    const answerMs = peer.requests.answerMs(requestBytes, now) ?? UNKNOWN_ANSWER_MS
    let longestMs = answerMs * this.#config.endGameGain
    let chosen: BlockRun | undefined
    for (const other of this.#peers.values()) {
      if (other === peer) continue
      for (const request of other.requests.values()) {
        const { run } = request
        if (request.state !== 'asked' || run.blocks > maxBlocks || !peer.pieces.has(run.piece)) continue
        if (this.picker.owing(run) >= this.#config.endGameCopies || !this.picker.needs(run)) continue
        const waitMs = this.#isOverdue(request, now) ? Number.POSITIVE_INFINITY : other.requests.waitMs(request, now)
        if (waitMs === undefined || waitMs <= longestMs) continue
        const { whole, from, to } = access(run.piece)
        const isWhole = run.blocks === this.#layout.blocksIn(run.piece)
        if (!(whole && isWhole) && !(run.block >= from && run.block + run.blocks <= to)) continue
        longestMs = waitMs
        chosen = run
      }
    }
    return chosen && this.picker.ask(chosen)
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
    const chunk = this.#chunkOf(run)
    if (peer.requests.count === 0) peer.lastBlockAt = now
    peer.requests.add(run, chunk, now)
    this.#owedBytes += chunk.length
    this.#out.send(peer, { type: 'request', ...chunk })
  }

  #askHashes(peer: PeerState, { root, range }: HashAsk): void {
    this.#out.send(peer, { type: 'hashRequest', root, range })
  }

  #arrived(peer: PeerState, request: Request, now: number): void {
    peer.requests.arrived(request, now)
    peer.received.add(request.chunk.length, now)
    peer.lastBlockAt = now
    peer.rejects = 0
    if (peer.isSnubbing) {
      peer.isSnubbing = false
      peer.counted = this.picker.count(peer.pieces)
    }
    this.#forget(peer, request)
  }

  /** Verified bytes: what is new of them is written. */
  #keep(peer: PeerState, { run, chunk }: Request): void {
    let newBytes = 0
    for (const part of this.picker.hold(run)) {
      const write = this.#chunkOf(part)
      newBytes += write.length
      this.#out.event({ type: 'write', ...write })
    }
    this.#writingBytes += newBytes
    peer.goodBytes += newBytes
    peer.wastedBytes += chunk.length - newBytes
  }

  /** Nobody else needs to send what is here now. */
  #cancelElsewhere({ piece }: BlockRun): void {
    if (!this.picker.isOwed(piece)) return
    for (const other of this.#peers.values()) {
      for (const request of [...other.requests.values()]) {
        if (request.state !== 'asked' || request.run.piece !== piece || this.picker.needs(request.run)) continue
        this.#release(request)
        other.requests.cancel(request)
        this.#out.send(other, { type: 'cancel', ...request.chunk })
      }
    }
  }

  #pieceDone(piece: number): void {
    this.#out.event({ type: 'pieceDone', piece })
    for (const peer of this.#peers.values()) {
      if (peer.features === undefined) continue
      if (!peer.pieces.has(piece)) {
        this.#out.send(peer, { type: 'have', piece })
      } else {
        peer.wantedPieces--
        this.#sayInterest(peer)
      }
    }
  }

  #sayInterest(peer: PeerState): void {
    const isInteresting = peer.wantedPieces > 0
    if (peer.isInteresting === isInteresting) return
    peer.isInteresting = isInteresting
    this.#out.send(peer, { type: isInteresting ? 'interested' : 'notInterested' })
  }

  /** A peer that owes blocks and sends none is snubbed: others may send what it owes, and it does not count for rarity. */
  #checkDebts(peer: PeerState, now: number): void {
    if (peer.requests.count === 0) return
    if (now - peer.lastBlockAt >= this.#config.idleMs) {
      this.#out.drop(peer, 'silent', 'owes blocks and sends none')
      return
    }
    if (!peer.isSnubbing && now - peer.lastBlockAt >= this.#config.requestTimeoutMs) {
      peer.isSnubbing = true
      this.picker.uncount(peer.pieces, peer.counted)
      peer.counted = 'not'
      for (const request of peer.requests.giveUp(now)) this.#release(request)
      return
    }
    for (const request of peer.requests.values()) {
      if (request.state !== 'asked' || now - request.at < this.#config.oneRequestTimeoutMs) continue
      this.#release(request)
      request.state = 'given up'
    }
  }

  #forget(peer: PeerState, request: Request): void {
    if (request.state === 'asked') this.#release(request)
    peer.requests.remove(request)
  }

  /** What the peer was asked for is free for others. */
  #release(request: Request): void {
    this.picker.release(request.run)
    this.#owedBytes -= request.chunk.length
  }

  #takeBack(peer: PeerState): void {
    for (const request of [...peer.requests.values()]) this.#forget(peer, request)
  }

  #chunkOf({ piece, block, blocks }: BlockRun): Chunk {
    const begin = block * BLOCK_BYTES
    const end = Math.min(begin + blocks * BLOCK_BYTES, this.#layout.pieceSize(piece))
    return { piece, begin, length: end - begin }
  }

  /** Undefined when the bytes are not whole blocks of a piece. */
  #runOf({ piece, begin, length }: Chunk): BlockRun | undefined {
    if (piece >= this.#layout.pieceCount || begin % BLOCK_BYTES !== 0 || length === 0) return undefined
    const end = begin + length
    const size = this.#layout.pieceSize(piece)
    if (end > size || (end < size && end % BLOCK_BYTES !== 0)) return undefined
    return { piece, block: begin / BLOCK_BYTES, blocks: Math.ceil(length / BLOCK_BYTES) }
  }
}

const FIRST_REST_MS = 250
const LONGEST_REST_MS = 30_000
/** What a peer is given credit for that nothing is known of: it may help where somebody needs longer. */
const UNKNOWN_ANSWER_MS = 1_000

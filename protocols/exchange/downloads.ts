import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import type { HashRange, Layout } from '../metainfo/index.ts'
import { BlockRequests } from './block-requests.ts'
import { chunkOf, runOf } from './block-run.ts'
import { type ExchangeConfig, exchangeLimits } from './config.ts'
import { type HashAsk, HashRequests } from './hash-requests.ts'
import type { Chunk } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { Request } from './peer-requests.ts'
import type { PeerState } from './peer-state.ts'
import { PiecePicker, type Stored } from './piece-picker.ts'

export interface DownloadsInit extends Stored {
  layout: Layout
  config: ExchangeConfig
  rng: Rng
  /** See `Content.missingHashes`. Changes only between inputs of the machine. */
  missingHashes(piece: number): HashRange | undefined
  /** Pieces to fetch; all when absent. */
  wanted?: ((piece: number) => boolean) | undefined
}

/** The fetching half of a swarm: what to make of what peers say and send. */
export class Downloads {
  readonly picker: PiecePicker
  readonly #layout: Layout
  readonly #config: ExchangeConfig
  readonly #hashes: HashRequests
  readonly #requests: BlockRequests
  readonly #peers: ReadonlyMap<Peer, PeerState>
  readonly #out: Outbox
  #progressAt = Number.NEGATIVE_INFINITY

  constructor(init: DownloadsInit, peers: ReadonlyMap<Peer, PeerState>, out: Outbox) {
    this.#layout = init.layout
    this.#config = init.config
    this.#peers = peers
    this.#out = out
    this.picker = new PiecePicker({ ...init, randomFirstPieces: init.config.randomFirstPieces })
    this.#hashes = new HashRequests(init)
    this.#requests = new BlockRequests({ ...init, picker: this.picker, hashes: this.#hashes }, peers, out)
  }

  get isPaused(): boolean {
    return this.#requests.isPaused
  }

  /** When `work` has something to do; undefined when it has not. */
  get nextWork(): number | undefined {
    return this.#requests.nextRound
  }

  work(now: number): void {
    this.#requests.work(now)
  }

  /** Whether something of what the peer would send by this is wanted. */
  expects(peer: PeerState, chunk: Chunk): boolean {
    const request = this.#find(peer, chunk)
    return request !== undefined && this.picker.needs(request.run)
  }

  expectsHashes(peer: PeerState, root: FileId, range: HashRange): HashAsk | undefined {
    return this.#hashes.find(peer.peer, root, range)
  }

  /** The peer has said which pieces it has. */
  onPieces(peer: PeerState, now: number): void {
    peer.counted = this.picker.count(peer.pieces)
    peer.wantedPieces = this.picker.wantedOf(peer.pieces)
    this.#sayInterest(peer)
    this.#requests.wake(peer, now)
  }

  /** A piece that the peer did not have. */
  onHave(peer: PeerState, piece: number, now: number): void {
    peer.pieces.add(piece)
    if (peer.counted === 'pieces') this.picker.countPiece(piece)
    if (!this.picker.wants(piece)) return
    peer.wantedPieces++
    peer.nothingFits = undefined
    this.#sayInterest(peer)
    this.#requests.wake(peer, now)
  }

  onChoke(peer: PeerState, now: number): void {
    peer.isChoking = true
    if (peer.features?.fast) return // each request is rejected or answered
    this.#requests.takeBack(peer)
    this.#requests.wakeAll(now)
  }

  onUnchoke(peer: PeerState, now: number): void {
    peer.isChoking = false
    peer.rejects = 0
    this.#requests.wake(peer, now)
  }

  onReject(peer: PeerState, chunk: Chunk, now: number): void {
    const request = this.#find(peer, chunk)
    if (request === undefined) {
      this.onUnasked(peer)
      return
    }
    this.#requests.forget(peer, request)
    if (request.state === 'cancelled') return
    if (!peer.isChoking) {
      // it changes its mind, is overloaded, or baits: each reject in a row doubles the rest
      peer.rejects++
      peer.restUntil = now + Math.min(FIRST_REST_MS * 2 ** Math.min(peer.rejects, 16), LONGEST_REST_MS)
    }
    this.#requests.wakeAll(now)
  }

  /** An answer that was not asked for. A few happen where a cancel crosses its answer. */
  onUnasked(peer: PeerState): void {
    if (++peer.unasked > exchangeLimits.unaskedAnswers) this.#out.drop(peer, 'violation', 'answers nobody asked for')
  }

  /** A piece message that was not expected: a duplicate, or never asked for. */
  onUnexpected(peer: PeerState, chunk: Chunk, now: number): void {
    peer.wastedBytes += chunk.length
    const request = this.#find(peer, chunk)
    if (request === undefined) {
      this.onUnasked(peer)
      return
    }
    this.#arrived(peer, request, now)
    this.#requests.goOn(peer, now)
  }

  onBlock(peer: PeerState, chunk: Chunk, verdict: 'good' | 'bad' | 'unknown', now: number): void {
    const request = this.#find(peer, chunk)
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
    this.#requests.cancelElsewhere(request.run)
    this.#requests.goOn(peer, now)
    this.#requests.wakeStarved(now)
  }

  onStored(chunk: Chunk, now: number): void {
    this.#requests.writingBytes -= chunk.length
    const { freed } = this.picker
    if (this.picker.store(runOf(this.#layout, chunk)!)) this.#pieceDone(chunk.piece)
    const isDone = this.picker.isFinished
    if (isDone || now - this.#progressAt >= this.#config.progressMs) {
      this.#progressAt = now
      this.#out.event({ type: 'progress', storedBytes: this.picker.storedBytes })
    }
    if (isDone) this.#out.event({ type: 'done' })
    else if (this.picker.freed !== freed) this.#requests.wakeAll(now)
    else this.#requests.wakeStarved(now)
  }

  onWriteFailed(chunk: Chunk): void {
    this.#requests.writingBytes -= chunk.length
    this.picker.lose(runOf(this.#layout, chunk)!)
    this.#requests.isPaused = true
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
    this.#requests.wakeAll(now)
  }

  onHashReject(peer: PeerState, root: FileId, range: HashRange, now: number): void {
    const ask = this.#hashes.find(peer.peer, root, range)
    if (ask === undefined) {
      this.onUnaskedHashes(peer)
      return
    }
    this.#hashes.refused(peer.peer, ask, now)
    this.#requests.wakeAll(now)
  }

  onUnaskedHashes(peer: PeerState): void {
    if (!this.#hashes.takeLate(peer.peer)) this.onUnasked(peer)
  }

  pause(): void {
    this.#requests.isPaused = true
  }

  resume(now: number): void {
    this.#requests.isPaused = false
    this.#requests.wakeAll(now)
  }

  tick(now: number): void {
    this.#hashes.expire(now)
    for (const peer of [...this.#peers.values()]) {
      this.#checkDebts(peer, now)
      this.#sayNoInterest(peer)
    }
    this.#requests.wakeAll(now)
  }

  /** The peer has left: what it owed is free. */
  onGone(peer: PeerState, now: number): void {
    this.#requests.gone(peer)
    this.picker.uncount(peer.pieces, peer.counted)
    peer.counted = 'not'
    this.#hashes.gone(peer.peer)
    this.#requests.wakeAll(now)
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
    this.#requests.forget(peer, request)
  }

  /** Verified bytes: what is new of them is written. */
  #keep(peer: PeerState, { run, chunk }: Request): void {
    let newBytes = 0
    for (const part of this.picker.hold(run)) {
      const write = chunkOf(this.#layout, part)
      newBytes += write.length
      this.#out.event({ type: 'write', ...write })
    }
    this.#requests.writingBytes += newBytes
    peer.goodBytes += newBytes
    peer.wastedBytes += chunk.length - newBytes
  }

  #pieceDone(piece: number): void {
    this.#out.event({ type: 'pieceDone', piece })
    for (const peer of this.#peers.values()) {
      if (peer.features === undefined) continue
      if (peer.pieces.has(piece)) peer.wantedPieces--
      else this.#out.send(peer, { type: 'have', piece })
    }
  }

  #sayInterest(peer: PeerState): void {
    if (peer.isInteresting || peer.wantedPieces === 0) return
    peer.isInteresting = true
    this.#out.send(peer, { type: 'interested' })
  }

  /** Only at a tick: who gets pieces one by one itself has the next one soon. */
  #sayNoInterest(peer: PeerState): void {
    if (!peer.isInteresting || peer.wantedPieces > 0) return
    peer.isInteresting = false
    this.#out.send(peer, { type: 'notInterested' })
  }

  #find(peer: PeerState, chunk: Chunk): Request | undefined {
    const run = runOf(this.#layout, chunk)
    return run && peer.requests.find(run)
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
      for (const request of peer.requests.giveUp(now)) this.#requests.release(request)
      return
    }
    for (const request of peer.requests.values()) {
      if (request.state !== 'asked' || now - request.at < this.#config.oneRequestTimeoutMs) continue
      this.#requests.release(request)
      request.state = 'given up'
    }
  }
}

const FIRST_REST_MS = 250
const LONGEST_REST_MS = 30_000

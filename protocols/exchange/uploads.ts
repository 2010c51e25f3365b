import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type HashRange, isHashRange, type Layout, layerOf } from '../metainfo/index.ts'
import { Choker } from './choker.ts'
import { type ExchangeConfig, exchangeLimits } from './config.ts'
import type { Chunk } from './messages.ts'
import type { Outbox } from './outbox.ts'
import type { PeerState } from './peer-state.ts'
import type { PieceSet } from './piece-set.ts'

/** The giving half of a swarm: who may have something, and what goes out next. */
export class Uploads {
  readonly #layout: Layout
  readonly #config: ExchangeConfig
  readonly #choker: Choker
  readonly #peers: ReadonlyMap<Peer, PeerState>
  readonly #out: Outbox
  readonly #have: PieceSet
  readonly #filesByRoot = new Map<FileId, number[]>()
  #rechokeAt: number | undefined

  constructor(
    init: { layout: Layout; config: ExchangeConfig; rng: Rng; have: PieceSet },
    peers: ReadonlyMap<Peer, PeerState>,
    out: Outbox
  ) {
    this.#layout = init.layout
    this.#config = init.config
    this.#choker = new Choker(init.config, init.rng)
    this.#have = init.have
    this.#peers = peers
    this.#out = out
    for (const [index, { root }] of init.layout.files.entries()) {
      if (root === undefined) continue
      const same = this.#filesByRoot.get(root)
      if (same === undefined) this.#filesByRoot.set(root, [index])
      else same.push(index)
    }
  }

  onInterest(peer: PeerState, isInterested: boolean, now: number): void {
    if (peer.isInterested === isInterested) return
    peer.isInterested = isInterested
    peer.hasBeenInterested ||= isInterested
    this.#giveFreeSlots(now)
  }

  onRequest(peer: PeerState, { piece, begin, length }: Chunk): void {
    const chunk = { piece, begin, length }
    const limit = peer.features?.extended ? exchangeLimits.maxRequestBytes : exchangeLimits.plainRequestBytes
    const size = piece < this.#layout.pieceCount ? this.#layout.pieceSize(piece) : 0
    if (length === 0 || length > limit || begin + length > size) {
      this.#out.drop(peer, 'violation', `asks for bytes ${begin} to ${begin + length} of piece ${piece}`)
      return
    }
    if (peer.isChoked || !this.#have.has(piece) || !peer.uploads.offer(chunk)) this.#reject(peer, chunk)
    else this.#start(peer)
  }

  /**
   * What is being read goes out all the same: every request has exactly one answer (BEP 6). False when there was nothing
   * to take back.
   */
  onCancel(peer: PeerState, chunk: Chunk): boolean {
    const isTaken = peer.uploads.cancel(chunk)
    if (isTaken) this.#reject(peer, chunk)
    return isTaken
  }

  /** Hashes below the piece layer cost the reading of pieces, so those who are choked get none. */
  onHashRequest(peer: PeerState, root: FileId, range: HashRange): void {
    const mayAsk = isHashRange(range) && (range.base >= layerOf(this.#layout.pieceLength) || !peer.isChoked)
    const file = mayAsk ? this.#fileFor(root, range) : undefined
    if (file === undefined || peer.hashesBeingServed >= exchangeLimits.hashRequestQueue) {
      this.#out.send(peer, { type: 'hashReject', root, range })
      return
    }
    peer.hashesBeingServed++
    this.#out.event({ type: 'serveHashes', to: peer.peer, file, root, range })
  }

  onHashesServed(peer: PeerState): void {
    if (peer.hashesBeingServed > 0) peer.hashesBeingServed--
  }

  onUploaded(peer: PeerState, chunk: Chunk, sent: boolean, now: number): void {
    if (!peer.uploads.finish(chunk)) throw new Error('an upload that was not started')
    if (sent) {
      peer.sent.add(chunk.length, now)
      peer.lastSaidAt = now
    } else {
      this.#reject(peer, chunk)
    }
    this.#start(peer)
  }

  onGone(now: number): void {
    this.#giveFreeSlots(now)
  }

  tick(now: number): void {
    if (this.#have.isFull) this.#dropUninterested(now)
    this.#rechokeAt ??= now + this.#config.rechokeMs
    if (now < this.#rechokeAt) return
    this.#rechokeAt = now + this.#config.rechokeMs
    const isSeed = this.#have.isFull
    const chosen = this.#choker.choose(
      [...this.#peers.values()].map(peer => peer.forChoker(isSeed, now)),
      isSeed,
      now
    )
    for (const peer of this.#peers.values()) {
      if (chosen.has(peer.peer)) this.#unchoke(peer, now)
      else this.#choke(peer, now)
    }
  }

  /** Neither side has anything for the other: a seed wants nothing, and such a peer never has. */
  #dropUninterested(now: number): void {
    for (const peer of [...this.#peers.values()]) {
      if (peer.hasBeenInterested || now - peer.connectedAt < this.#config.uninterestedMs) continue
      this.#out.drop(peer, 'redundant', 'it has wanted nothing')
    }
  }

  /** Nobody waits for the next round while there is a slot: those who have waited longest come first. */
  #giveFreeSlots(now: number): void {
    const waiting: PeerState[] = []
    let free = this.#choker.slots
    for (const peer of this.#peers.values()) {
      if (!peer.isInterested) continue
      if (peer.isChoked) waiting.push(peer)
      else free--
    }
    if (free <= 0 || waiting.length === 0) return
    const since = (peer: PeerState): number => peer.chokedSince ?? Number.NEGATIVE_INFINITY
    waiting.sort((a, b) => (since(a) < since(b) ? -1 : since(a) > since(b) ? 1 : 0))
    for (const peer of waiting.slice(0, free)) this.#unchoke(peer, now)
  }

  #unchoke(peer: PeerState, now: number): void {
    if (!peer.isChoked) return
    peer.isChoked = false
    peer.unchokedSince = now
    this.#out.send(peer, { type: 'unchoke' })
  }

  /** The choke comes before the rejects, so that the requests are not made again (BEP 6). */
  #choke(peer: PeerState, now: number): void {
    if (peer.isChoked) return
    peer.isChoked = true
    peer.unchokedSince = undefined
    peer.chokedSince = now
    this.#out.send(peer, { type: 'choke' })
    for (const chunk of peer.uploads.clear()) this.#reject(peer, chunk)
  }

  #start(peer: PeerState): void {
    for (const chunk of peer.uploads.start()) this.#out.event({ type: 'upload', to: peer.peer, ...chunk })
  }

  #reject(peer: PeerState, chunk: Chunk): void {
    this.#out.send(peer, { type: 'reject', piece: chunk.piece, begin: chunk.begin, length: chunk.length })
  }

  /** Files with the same bytes have the same root: the one that we have most likely knows the hashes. */
  #fileFor(root: FileId, { base, index }: HashRange): number | undefined {
    const files = this.#filesByRoot.get(root)
    if (files === undefined || files.length === 1) return files?.[0]
    const bytesPerHash = 2 ** base * 16_384
    const piece = Math.floor((index * bytesPerHash) / this.#layout.pieceLength)
    return files.find(file => this.#have.has(this.#layout.files[file]!.firstPiece + piece)) ?? files[0]
  }
}

import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { BLOCK_BYTES, type HashRange, type Layout, MAX_RANGE_HASHES, sameRange } from '../metainfo/index.ts'
import { type ExchangeConfig, exchangeLimits } from './config.ts'
import type { Access } from './piece-picker.ts'
import type { PieceSet } from './piece-set.ts'

/** One hash request: a range of one file's tree. */
export interface HashAsk {
  readonly file: number
  readonly root: FileId
  readonly range: HashRange
  /** Pieces that the range speaks of. */
  readonly firstPiece: number
  readonly pieces: number
  /** Names the range within the swarm; below zero for ranges of piece layers. */
  readonly key: number
}

interface Asked {
  readonly ask: HashAsk
  /** Who was asked, and when. */
  readonly peers: Map<Peer, number>
  lastAt: number
}

const NONE: Access = { whole: false, from: 0, to: 0 }
const WHOLE: Access = { whole: true, from: 0, to: 0 }
const ALL: Access = { whole: true, from: 0, to: Number.POSITIVE_INFINITY }

/**
 * Which hashes are missing, who was asked for them, and therefore what may be asked of whom: a stream keeps its order,
 * so hashes that were asked of a peer come before the blocks that are asked of it afterwards.
 *
 * Ranges of the piece layer are asked for ahead, each of another peer if there is one. Leaves are asked for right before
 * the first block of their piece; a piece that is requested whole needs none.
 */
export class HashRequests {
  /** Grows whenever more may be asked of somebody. */
  changes = 0
  readonly #layout: Layout
  readonly #missing: (piece: number) => HashRange | undefined
  readonly #config: ExchangeConfig
  readonly #blocksPerPiece: number
  readonly #layers = new Map<number, HashAsk>() // ranges of piece layers that are neither known nor asked for
  readonly #asked = new Map<number, Asked>() // BOUNDED by layerRequests a peer, and by begun pieces
  readonly #layersOwed = new Map<Peer, number>()
  /** Answers that a peer owes though they matter no more: they are not held against it. */
  readonly #late = new Map<Peer, number>()
  readonly #refused = new Map<Peer, Set<number>>() // BOUNDED by refusedHashes a peer
  #forgetAt = Number.POSITIVE_INFINITY

  constructor(init: { layout: Layout; missingHashes(piece: number): HashRange | undefined; config: ExchangeConfig }) {
    this.#layout = init.layout
    this.#missing = init.missingHashes
    this.#config = init.config
    this.#blocksPerPiece = init.layout.pieceLength / BLOCK_BYTES
    for (const [file, { firstPiece, pieceCount }] of init.layout.files.entries()) {
      for (let piece = firstPiece; piece < firstPiece + pieceCount; piece += MAX_RANGE_HASHES) {
        const range = init.missingHashes(piece)
        if (range === undefined || this.#isLeaves(piece, range)) continue
        const ask = this.#askFor(file, range, false)
        this.#layers.set(ask.key, ask)
      }
    }
  }

  /** What of the piece may be asked of the peer now. `insist`: also where somebody else owes the hashes (end game). */
  access(peer: Peer, piece: number, insist: boolean): Access {
    const range = this.#missing(piece)
    if (range === undefined) return ALL
    const leaves = this.#isLeaves(piece, range)
    const ask = this.#askFor(this.#layout.fileOfPiece(piece), range, leaves)
    const owed = this.#asked.get(ask.key)
    const owedByPeer = owed?.peers.has(peer) ?? false
    if (!leaves) return owedByPeer ? WHOLE : NONE
    if (!owedByPeer && ((owed !== undefined && !insist) || this.#hasRefused(peer, ask))) return WHOLE
    const firstLeaf = (piece - this.#layout.files[ask.file]!.firstPiece) * this.#blocksPerPiece
    const from = range.index - firstLeaf
    return { whole: true, from, to: from + range.length }
  }

  /**
   * Ranges of piece layers to ask of the peer now: those that nobody was asked for, then those that somebody owes for too
   * long. They count as asked.
   */
  takeLayers(peer: Peer, pieces: PieceSet, now: number): HashAsk[] {
    const taken: HashAsk[] = []
    const room = this.#config.layerRequests - (this.#layersOwed.get(peer) ?? 0)
    for (const ask of this.#layers.values()) {
      if (taken.length >= room) break
      if (!this.#hasRefused(peer, ask) && hasSome(pieces, ask)) taken.push(ask)
    }
    if (this.#layers.size === 0 && this.#layersOwed.size > 0) {
      for (const { ask, peers, lastAt } of this.#asked.values()) {
        if (taken.length >= room) break
        if (ask.key >= 0 || now - lastAt < this.#config.hashHedgeMs || peers.has(peer)) continue
        if (!this.#hasRefused(peer, ask) && hasSome(pieces, ask)) taken.push(ask)
      }
    }
    for (const ask of taken) this.#owe(peer, ask, now)
    return taken
  }

  /** Leaves to ask of the peer right before blocks of the piece. They count as asked. */
  takeLeaves(peer: Peer, piece: number, now: number): HashAsk | undefined {
    const range = this.#missing(piece)
    if (range === undefined || !this.#isLeaves(piece, range)) return undefined
    const ask = this.#askFor(this.#layout.fileOfPiece(piece), range, true)
    if (this.#asked.get(ask.key)?.peers.has(peer)) return undefined
    this.#owe(peer, ask, now)
    return ask
  }

  /** The request that such an answer of the peer belongs to. */
  find(peer: Peer, root: FileId, range: HashRange): HashAsk | undefined {
    for (const { ask, peers } of this.#asked.values()) {
      if (ask.root === root && peers.has(peer) && sameRange(ask.range, range)) return ask
    }
    return undefined
  }

  /** The hashes came from the peer and are known. */
  answered(peer: Peer, ask: HashAsk): void {
    const owed = this.#asked.get(ask.key)
    if (owed === undefined) return
    this.#asked.delete(ask.key)
    this.changes++
    for (const other of owed.peers.keys()) {
      this.#relieve(other, ask)
      if (other !== peer) this.#addLate(other)
    }
  }

  /** An answer that belongs to no request any more. False when it never did. */
  takeLate(peer: Peer): boolean {
    const late = this.#late.get(peer) ?? 0
    if (late > 0) this.#late.set(peer, late - 1)
    return late > 0
  }

  /** The peer will not send them, or did not in time. */
  refused(peer: Peer, ask: HashAsk, now: number): void {
    const refusals = this.#refused.get(peer) ?? new Set()
    if (refusals.size < exchangeLimits.refusedHashes) refusals.add(ask.key)
    this.#refused.set(peer, refusals)
    this.#forgetAt = Math.min(this.#forgetAt, now + this.#config.hashRetryMs)
    this.#drop(peer, ask)
  }

  /** What peers owe for too long counts as refused. */
  expire(now: number): void {
    if (now >= this.#forgetAt) {
      this.#refused.clear()
      this.changes++
      this.#forgetAt = Number.POSITIVE_INFINITY
    }
    const late: [Peer, HashAsk][] = []
    for (const { ask, peers } of this.#asked.values()) {
      for (const [peer, at] of peers) if (now - at >= this.#config.hashTimeoutMs) late.push([peer, ask])
    }
    for (const [peer, ask] of late) {
      this.refused(peer, ask, now)
      this.#addLate(peer)
    }
  }

  gone(peer: Peer): void {
    const owed = [...this.#asked.values()].filter(({ peers }) => peers.has(peer))
    for (const { ask } of owed) this.#drop(peer, ask)
    this.#refused.delete(peer)
    this.#layersOwed.delete(peer)
    this.#late.delete(peer)
  }

  #addLate(peer: Peer): void {
    this.#late.set(peer, (this.#late.get(peer) ?? 0) + 1)
  }

  #owe(peer: Peer, ask: HashAsk, now: number): void {
    const owed = this.#asked.get(ask.key)
    if (owed === undefined) this.#asked.set(ask.key, { ask, peers: new Map([[peer, now]]), lastAt: now })
    else owed.peers.set(peer, (owed.lastAt = now))
    if (ask.key >= 0) return
    this.changes++
    this.#layers.delete(ask.key)
    this.#layersOwed.set(peer, (this.#layersOwed.get(peer) ?? 0) + 1)
  }

  #drop(peer: Peer, ask: HashAsk): void {
    const owed = this.#asked.get(ask.key)
    if (!owed?.peers.delete(peer)) return
    this.#relieve(peer, ask)
    if (owed.peers.size > 0) return
    this.#asked.delete(ask.key)
    this.changes++
    if (ask.key < 0) this.#layers.set(ask.key, ask)
  }

  #relieve(peer: Peer, ask: HashAsk): void {
    if (ask.key >= 0) return
    const owed = (this.#layersOwed.get(peer) ?? 1) - 1
    if (owed === 0) this.#layersOwed.delete(peer)
    else this.#layersOwed.set(peer, owed)
  }

  #hasRefused(peer: Peer, ask: HashAsk): boolean {
    const refusals = this.#refused.get(peer)
    if (refusals === undefined) return false
    return refusals.size >= exchangeLimits.refusedHashes || refusals.has(ask.key)
  }

  /** A range of layer 0 is the piece layer itself where a piece is one block. */
  #isLeaves(piece: number, range: HashRange): boolean {
    return range.base === 0 && this.#layout.blocksIn(piece) > 1
  }

  #askFor(file: number, range: HashRange, leaves: boolean): HashAsk {
    const { root, firstPiece, pieceCount } = this.#layout.files[file]!
    const perPiece = leaves ? this.#blocksPerPiece : 1
    const first = Math.floor(range.index / perPiece)
    const end = Math.min(pieceCount, Math.ceil((range.index + range.length) / perPiece))
    const key = leaves ? firstPiece * perPiece + range.index : -(firstPiece + first) - 1
    return { file, root: root!, range, firstPiece: firstPiece + first, pieces: end - first, key }
  }
}

function hasSome(pieces: PieceSet, { firstPiece, pieces: count }: HashAsk): boolean {
  if (pieces.isFull) return true
  for (let i = 0; i < count; i++) if (pieces.has(firstPiece + i)) return true
  return false
}

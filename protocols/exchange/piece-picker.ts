import type { Rng } from '../core/rng.ts'
import { BLOCK_BYTES, blockCount, type Layout } from '../metainfo/index.ts'
import type { BlockRun } from './block-run.ts'
import { PieceSet } from './piece-set.ts'
import { RarityOrder } from './rarity-order.ts'

/** Which parts of a piece may be asked of a peer, so that what it sends can be verified when it comes. */
export interface Access {
  /** The piece as a whole: its hash is known, or will be by then. */
  readonly whole: boolean
  /** Blocks from `from` to before `to`: their leaf hashes are known, or will be by then. */
  readonly from: number
  readonly to: number
}

/** How a peer counts for rarity: a seed has everything, so it makes no piece rarer than another. */
export type Counted = 'not' | 'seed' | 'pieces'

/** A peer as the picker sees it. */
export interface Candidate {
  readonly pieces: PieceSet
  readonly counted: Counted
  /** Longest request, in blocks. */
  readonly maxBlocks: number
  access(piece: number): Access
}

/** What is here when a swarm opens. See `Content`. */
export interface Stored {
  storedBlocks(piece: number): number
  hasBlock(piece: number, block: number): boolean
}

const FREE = 0
const ASKED = 1
const HELD = 2
const STORED = 3

interface Begun {
  readonly piece: number
  readonly states: Uint8Array
  /** How many peers owe the block. */
  readonly owing: Uint8Array
  free: number
  held: number
  stored: number
}

/**
 * Decides which blocks to ask a peer for, and remembers what becomes of them.
 *
 * Invariant: a wanted piece is in exactly one of three states. *Untouched*: nothing of it is asked for or here; it is in
 * the rarity order. *Begun*: something of it is asked for, held or stored; its blocks have states. *Done*: every block
 * is stored. A block of a begun piece is free, asked (of one or more peers), held (verified, being written) or stored.
 *
 * Order of choice (Cohen 2003): begun pieces first, so that pieces get whole and can be passed on; then untouched ones,
 * the first few at random and after that the rarest, equals at random.
 */
export class PiecePicker {
  /** Pieces that were looked at in search of one that fits: what choosing has cost so far. */
  looks = 0
  /** Grows whenever blocks may be asked for that might not before. */
  freed = 0
  readonly #layout: Layout
  readonly #rng: Rng
  readonly #order: RarityOrder
  readonly #begun = new Map<number, Begun>() // BOUNDED by what is asked for, and by what was here at the start
  readonly #open = new Set<Begun>() // begun pieces with free blocks
  readonly #done: PieceSet
  readonly #randomFirst: number
  /** The piece that has to be here before any other is asked for; undefined when it is, or there is none. */
  #first: number | undefined
  #seeds = 0
  #wantedPieces = 0
  #wantedDone = 0
  #wantedBytes = 0
  #storedBytes = 0

  constructor(
    init: {
      layout: Layout
      rng: Rng
      wanted?: ((piece: number) => boolean) | undefined
      first?: number | undefined
      randomFirstPieces: number
    } & Stored
  ) {
    const { layout, rng } = init
    this.#layout = layout
    this.#rng = rng
    this.#randomFirst = init.randomFirstPieces
    this.#order = new RarityOrder(layout.pieceCount, rng)
    this.#done = new PieceSet(layout.pieceCount)
    for (const file of layout.files) {
      for (let i = 0; i < file.pieceCount; i++) {
        const piece = file.firstPiece + i
        const size = Math.min(layout.pieceLength, file.length - i * layout.pieceLength)
        this.#place(piece, size, init, init.wanted?.(piece) ?? true)
      }
    }
    if (init.first !== undefined && this.wants(init.first)) this.#first = init.first
  }

  /** Pieces that are here whole. */
  get done(): PieceSet {
    return this.#done
  }

  /** Every wanted piece is here. */
  get isFinished(): boolean {
    return this.#wantedDone === this.#wantedPieces
  }

  get wantedPieces(): number {
    return this.#wantedPieces
  }

  /** Of those, how many are here whole. */
  get wantedDone(): number {
    return this.#wantedDone
  }

  get wantedBytes(): number {
    return this.#wantedBytes
  }

  /** Of wanted pieces. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  /** Whether something of the piece is still to be had. */
  wants(piece: number): boolean {
    return this.#order.has(piece) || this.#begun.has(piece)
  }

  /** How many of these pieces are wanted and not here. */
  wantedOf(pieces: PieceSet): number {
    if (pieces.isFull) return this.#wantedPieces - this.#wantedDone
    let wanted = 0
    pieces.each(piece => {
      if (this.wants(piece)) wanted++
    })
    return wanted
  }

  count(pieces: PieceSet): Counted {
    if (pieces.isFull) {
      this.#seeds++
      return 'seed'
    }
    pieces.each(piece => this.#order.increase(piece))
    return 'pieces'
  }

  uncount(pieces: PieceSet, counted: Counted): void {
    if (counted === 'seed') this.#seeds--
    if (counted !== 'pieces') return
    pieces.each(piece => this.#order.decrease(piece))
  }

  /** A peer that counts by its pieces has one more. */
  countPiece(piece: number): void {
    this.#order.increase(piece)
  }

  /** Chooses the next run to ask the peer for, and takes it as asked. */
  next(candidate: Candidate): BlockRun | undefined {
    if (this.#first !== undefined) return this.#nextOf(this.#first, candidate)
    for (const begun of this.#open) {
      this.looks++
      if (!candidate.pieces.has(begun.piece)) continue
      const run = runIn(begun, candidate)
      if (run !== undefined) return this.ask(run)
    }
    const fits = (piece: number): boolean => {
      this.looks++
      return candidate.pieces.has(piece) && this.#fits(piece, candidate)
    }
    const piece =
      this.#done.count < this.#randomFirst
        ? this.#order.findAny(fits, this.#rng)
        : this.#order.findRarest(fits, candidate.counted === 'pieces')
    if (piece === undefined) return undefined
    return this.ask(runIn(newlyBegun(piece, this.#layout.blocksIn(piece)), candidate)!)
  }

  /** The run is asked of one more peer. */
  ask(run: BlockRun): BlockRun {
    const begun = this.#begin(run.piece)
    for (let i = run.block; i < run.block + run.blocks; i++) {
      begun.owing[i]!++
      if (begun.states[i] === FREE) this.#set(begun, i, ASKED)
    }
    return run
  }

  /** A peer owes the run no longer. Blocks that nobody owes are free again. */
  release(run: BlockRun): void {
    const begun = this.#begun.get(run.piece)
    if (begun === undefined) return
    for (let i = run.block; i < run.block + run.blocks; i++) {
      if (--begun.owing[i]! === 0 && begun.states[i] === ASKED) this.#set(begun, i, FREE)
    }
    this.#tidy(begun)
  }

  /** Whether any block of the run is neither held nor stored. */
  needs(run: BlockRun): boolean {
    const begun = this.#begun.get(run.piece)
    if (begun === undefined) return this.#order.has(run.piece)
    for (let i = run.block; i < run.block + run.blocks; i++) if (begun.states[i]! < HELD) return true
    return false
  }

  /** How many peers owe the run's first block. */
  owing(run: BlockRun): number {
    return this.#begun.get(run.piece)?.owing[run.block] ?? 0
  }

  /** Whether somebody owes a block of the piece. */
  isOwed(piece: number): boolean {
    return this.#begun.get(piece)?.owing.some(count => count > 0) ?? false
  }

  /** Verified bytes came. Returns the parts that are new: they are held from now on, and to be written. */
  hold(run: BlockRun): BlockRun[] {
    if (!this.wants(run.piece)) return []
    const begun = this.#begin(run.piece)
    const news: { piece: number; block: number; blocks: number }[] = []
    for (let i = run.block; i < run.block + run.blocks; i++) {
      if (begun.states[i]! >= HELD) continue
      this.#set(begun, i, HELD)
      const last = news.at(-1)
      if (last !== undefined && last.block + last.blocks === i) last.blocks++
      else news.push({ piece: run.piece, block: i, blocks: 1 })
    }
    return news
  }

  /** What was held is written. True when that makes the piece whole. */
  store(run: BlockRun): boolean {
    const begun = this.#begun.get(run.piece)
    if (begun === undefined) return false
    const size = this.#layout.pieceSize(run.piece)
    for (let i = run.block; i < run.block + run.blocks; i++) {
      if (begun.states[i] !== HELD) continue
      this.#set(begun, i, STORED)
      this.#storedBytes += blockBytes(size, i)
    }
    if (begun.stored < begun.states.length) return false
    this.#begun.delete(run.piece)
    this.#done.add(run.piece)
    this.#wantedDone++
    if (run.piece === this.#first) {
      this.#first = undefined
      this.freed++
    }
    return true
  }

  /** What was held could not be written: it is to be had again. */
  lose(run: BlockRun): void {
    const begun = this.#begun.get(run.piece)
    if (begun === undefined) return
    for (let i = run.block; i < run.block + run.blocks; i++) {
      if (begun.states[i] === HELD) this.#set(begun, i, begun.owing[i]! > 0 ? ASKED : FREE)
    }
    this.#tidy(begun)
  }

  /** Everything that some counted peer has, and that may be asked for now, is asked of somebody. */
  get isEndGame(): boolean {
    if (this.#first !== undefined) return (this.#begun.get(this.#first)?.free ?? 1) === 0
    if (this.#seeds > 0) return this.#open.size === 0 && this.#order.size === 0
    for (const begun of this.#open) if (this.#order.countOf(begun.piece) > 0) return false
    return this.#order.available === 0
  }

  /** Counts per state; for tests of the invariant. */
  census(): { untouched: number; begun: number; open: number; done: number } {
    return { untouched: this.#order.size, begun: this.#begun.size, open: this.#open.size, done: this.#done.count }
  }

  /** A large file has millions of blocks: only those of pieces that are begun are looked at. */
  #place(piece: number, size: number, stored: Stored, wanted: boolean): void {
    const storedBlocks = stored.storedBlocks(piece)
    const whole = storedBlocks === blockCount(size)
    if (whole) this.#done.add(piece)
    if (!wanted) return
    this.#wantedPieces++
    this.#wantedBytes += size
    if (whole) {
      this.#wantedDone++
      this.#storedBytes += size
    } else if (storedBlocks === 0) {
      this.#order.add(piece)
    } else {
      this.#resume(piece, size, stored)
    }
  }

  #nextOf(piece: number, candidate: Candidate): BlockRun | undefined {
    if (!candidate.pieces.has(piece)) return undefined
    const begun = this.#begun.get(piece)
    if (begun === undefined && !this.#fits(piece, candidate)) return undefined
    const run = runIn(begun ?? newlyBegun(piece, this.#layout.blocksIn(piece)), candidate)
    return run && this.ask(run)
  }

  #resume(piece: number, size: number, stored: Stored): void {
    const begun = newlyBegun(piece, blockCount(size))
    for (let i = 0; i < begun.states.length; i++) {
      if (!stored.hasBlock(piece, i)) continue
      begun.states[i] = STORED
      begun.stored++
      begun.free--
      this.#storedBytes += blockBytes(size, i)
    }
    this.#begun.set(piece, begun)
    this.#open.add(begun)
  }

  #fits(piece: number, candidate: Candidate): boolean {
    const { whole, from, to } = candidate.access(piece)
    return to > from || (whole && this.#layout.blocksIn(piece) <= candidate.maxBlocks)
  }

  #begin(piece: number): Begun {
    let begun = this.#begun.get(piece)
    if (begun === undefined) {
      begun = newlyBegun(piece, this.#layout.blocksIn(piece))
      this.#begun.set(piece, begun)
      this.#open.add(begun)
      this.#order.remove(piece)
    }
    return begun
  }

  /** A begun piece of which nothing is left is untouched again. */
  #tidy(begun: Begun): void {
    if (begun.free < begun.states.length) return
    this.#begun.delete(begun.piece)
    this.#open.delete(begun)
    this.#order.add(begun.piece)
  }

  #set(begun: Begun, block: number, state: number): void {
    const before = begun.states[block]!
    if (before === FREE) begun.free--
    else if (before === HELD) begun.held--
    else if (before === STORED) begun.stored--
    begun.states[block] = state
    if (state === FREE) {
      begun.free++
      this.freed++
    } else if (state === HELD) begun.held++
    else if (state === STORED) begun.stored++
    if (begun.free === 0) this.#open.delete(begun)
    else if (state === FREE) this.#open.add(begun)
  }
}

function blockBytes(pieceSize: number, block: number): number {
  return Math.min(BLOCK_BYTES, pieceSize - block * BLOCK_BYTES)
}

function newlyBegun(piece: number, blocks: number): Begun {
  return { piece, states: new Uint8Array(blocks), owing: new Uint8Array(blocks), free: blocks, held: 0, stored: 0 }
}

/** The first free run that the peer may be asked for: the whole piece where that is possible. */
function runIn(begun: Begun, { access, maxBlocks }: Candidate): BlockRun | undefined {
  const { piece, states } = begun
  const { whole, from, to } = access(piece)
  if (whole && begun.free === states.length && states.length <= maxBlocks) {
    return { piece, block: 0, blocks: states.length }
  }
  const end = Math.min(to, states.length)
  let block = from
  while (block < end && states[block] !== FREE) block++
  let blocks = 0
  while (blocks < maxBlocks && block + blocks < end && states[block + blocks] === FREE) blocks++
  return blocks === 0 ? undefined : { piece, block, blocks }
}

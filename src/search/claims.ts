import type { FileId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { SearchResult } from '../api.ts'
import type { ProofOutcome } from './prover.ts'

export const claimLimits = {
  /** Holders with proof that are enough for one result. */
  wanted: 3,
  /** Proofs that one search asks for about one result. */
  perResult: 8,
  /** Of one holder: as many as it may send hits. */
  perHolder: 100,
  /** At all: 5 MB. */
  perSearch: 150,
  /** Proofs of one holder that are asked for at the same time. */
  holderParallel: 4,
  /** Claims that wait for their turn. What is claimed beyond it stays unproven. */
  maxWaiting: 2_000
}

/** 'withdrawn': the holder has not what the result says, or lied. */
type ClaimState = 'waiting' | 'asked' | 'proven' | 'unproven' | 'withdrawn'

/** A holder is said to have the file of a result. */
export interface Claim {
  readonly holder: Holder
  readonly subject: Subject
  readonly hops: number
  state: ClaimState
}

interface Holder {
  readonly peer: Peer
  /** 'gone': it did not answer, so this search asks it no more. 'liar': it sent what no honest peer sends. */
  state: 'new' | 'there' | 'gone' | 'liar'
  /** Whether it was connected when it was first named. */
  readonly connected: boolean
  asked: number
  asking: number
  refusals: number
}

/** A result, as far as proofs go. */
interface Subject {
  readonly index: number
  readonly id: FileId
  readonly size: number
  readonly claims: Map<Peer, Claim> // BOUNDED by the holders of a result
  readonly counts: Record<ClaimState, number>
  asked: number
  /** What was last told of it. */
  told: string
}

export type ClaimedResult = Pick<Subject, 'index' | 'id' | 'size'>

/**
 * Who is said to have what, of one search, and what became of it: what is to be asked next, and what a result may be
 * shown as. Nobody is asked twice about one result.
 */
export class Claims {
  readonly #isConnected: (peer: Peer) => boolean
  readonly #subjects = new Map<number, Subject>() // BOUNDED by the results of a search
  readonly #holders = new Map<Peer, Holder>() // BOUNDED by the holders of a search
  readonly #waiting = new Set<Claim>() // BOUNDED by maxWaiting
  readonly #touched = new Set<Subject>() // BOUNDED by the results of a search
  #asked = 0
  #asking = 0
  #closed = false

  constructor(init: { isConnected(peer: Peer): boolean }) {
    this.#isConnected = init.isConnected
  }

  /** A holder is named for a result. `isProven`: that it has the file is known already. */
  add(result: ClaimedResult, peer: Peer, hops: number, isProven: boolean): void {
    const subject = this.#subjectOf(result)
    const known = subject.claims.get(peer)
    if (known !== undefined) {
      if (isProven) this.#set(known, 'proven')
      return
    }
    const claim: Claim = { holder: this.#holderOf(peer), subject, hops, state: 'unproven' }
    subject.claims.set(peer, claim)
    subject.counts.unproven++
    if (isProven) this.#set(claim, 'proven')
    else if (this.#waiting.size < claimLimits.maxWaiting && this.#isOpen(claim)) {
      this.#set(claim, 'waiting')
      this.#waiting.add(claim)
    }
  }

  isLiar(peer: Peer): boolean {
    return this.#holders.get(peer)?.state === 'liar'
  }

  /**
   * What to ask now; it counts as asked. Results with the fewest proofs come first, then holders that have not refused
   * before: whoever names holders that have nothing uses up their turns, not those of others.
   */
  next(): Claim | undefined {
    let best: Claim | undefined
    let bestRank: readonly number[] = []
    for (const claim of this.#waiting) {
      const { holder } = claim
      if (!this.#isOpen(claim)) this.#set(claim, 'unproven')
      // nobody is dialled twice at once
      else if (holder.asking < (holder.state === 'new' ? 1 : claimLimits.holderParallel)) {
        const rank = rankOf(claim)
        if (best !== undefined && compare(rank, bestRank) >= 0) continue
        best = claim
        bestRank = rank
      }
    }
    if (best === undefined) return undefined
    this.#set(best, 'asked')
    this.#asked++
    this.#asking++
    best.subject.asked++
    best.holder.asked++
    best.holder.asking++
    return best
  }

  /** What became of a claim that `next` gave. True when the holder has the file in a size that it was not named for. */
  settle(claim: Claim, result: ProofOutcome): boolean {
    const { holder, subject } = claim
    this.#asking--
    holder.asking--
    if (holder.state === 'new' && (result.type === 'proven' || result.type === 'refused')) holder.state = 'there'
    switch (result.type) {
      case 'proven':
        if (result.size === subject.size) {
          this.#set(claim, 'proven')
          return false
        }
        this.#set(claim, 'withdrawn')
        return !this.#proveElsewhere(holder.peer, subject.id, result.size)
      case 'refused':
      case 'busy':
        holder.refusals++
        this.#set(claim, 'unproven')
        return false
      case 'silent':
      case 'unasked':
        if (holder.state !== 'liar') holder.state = 'gone'
        this.#set(claim, 'unproven')
        return false
      case 'wrong':
        holder.state = 'liar'
        for (const { claims } of this.#subjects.values()) {
          const other = claims.get(holder.peer)
          if (other !== undefined && other.state !== 'proven') this.#set(other, 'withdrawn')
        }
        return false
    }
  }

  /** Nothing is asked any more; what is under way stays unproven. */
  close(): void {
    this.#closed = true
    for (const { claims } of this.#subjects.values()) {
      for (const claim of claims.values()) {
        if (claim.state === 'waiting' || claim.state === 'asked') this.#set(claim, 'unproven')
      }
    }
  }

  /** Which results look different since they were last told. */
  takeChanged(): number[] {
    const changed: number[] = []
    for (const subject of this.#touched) {
      const looks = this.#looksOf(subject)
      if (looks !== subject.told) changed.push(subject.index)
      subject.told = looks
    }
    this.#touched.clear()
    return changed
  }

  /** How a result is to be shown. Holders whose claim was withdrawn are none. */
  shownOf(index: number, holders: readonly string[]): Pick<SearchResult, 'holders' | 'proven' | 'state'> {
    const subject = this.#subjects.get(index)
    if (subject === undefined) return { holders: [...holders], proven: 0, state: 'unproven' }
    subject.told = this.#looksOf(subject)
    return {
      holders: holders.filter(holder => subject.claims.get(holder as Peer)?.state !== 'withdrawn'),
      proven: subject.counts.proven,
      state: this.#stateOf(subject)
    }
  }

  /** Whether something was asked that has no answer yet. */
  get isAsking(): boolean {
    return this.#asking > 0
  }

  /** Whether a result may still get its first proof. */
  get isChecking(): boolean {
    for (const subject of this.#subjects.values()) if (this.#stateOf(subject) === 'checking') return true
    return false
  }

  #looksOf(subject: Subject): string {
    return `${this.#stateOf(subject)} ${subject.counts.proven} ${subject.counts.withdrawn}`
  }

  #stateOf({ counts, claims }: Subject): SearchResult['state'] {
    if (counts.proven > 0) return 'proven'
    if (counts.asked > 0) return 'checking'
    if (counts.waiting === 0) return 'unproven'
    for (const claim of claims.values()) if (claim.state === 'waiting' && this.#isOpen(claim)) return 'checking'
    return 'unproven'
  }

  /** Whether the claim may still be asked about; once it may not, it never may again. */
  #isOpen({ holder, subject }: Claim): boolean {
    if (this.#closed || this.#asked >= claimLimits.perSearch || subject.asked >= claimLimits.perResult) return false
    if (holder.state === 'gone' || holder.state === 'liar' || holder.asked >= claimLimits.perHolder) return false
    return subject.counts.proven < claimLimits.wanted
  }

  /** The holder was named for that size too. */
  #proveElsewhere(peer: Peer, id: FileId, size: number): boolean {
    for (const subject of this.#subjects.values()) {
      const claim = subject.id === id && subject.size === size ? subject.claims.get(peer) : undefined
      if (claim === undefined) continue
      this.#set(claim, 'proven')
      return true
    }
    return false
  }

  #set(claim: Claim, state: ClaimState): void {
    const { subject } = claim
    if (claim.state === 'withdrawn') return
    subject.counts[claim.state]--
    subject.counts[state]++
    claim.state = state
    if (state !== 'waiting') this.#waiting.delete(claim)
    this.#touched.add(subject)
  }

  #subjectOf({ index, id, size }: ClaimedResult): Subject {
    const known = this.#subjects.get(index)
    if (known !== undefined) return known
    const counts = { waiting: 0, asked: 0, proven: 0, unproven: 0, withdrawn: 0 }
    const subject: Subject = { index, id, size, claims: new Map(), counts, asked: 0, told: '' }
    this.#subjects.set(index, subject)
    return subject
  }

  #holderOf(peer: Peer): Holder {
    const known = this.#holders.get(peer)
    if (known !== undefined) return known
    const connected = this.#isConnected(peer)
    const holder: Holder = { peer, state: 'new', connected, asked: 0, asking: 0, refusals: 0 }
    this.#holders.set(peer, holder)
    return holder
  }
}

function rankOf({ holder, subject }: Claim): readonly number[] {
  const { proven, asked } = subject.counts
  return [proven + asked, holder.refusals, holder.connected || holder.state === 'there' ? 0 : 1, subject.index]
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value - (b[i] as number)
  return 0
}

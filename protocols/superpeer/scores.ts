import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { type SuperPeerConfig, superPeerLimits } from './config.ts'
import type { Outbox } from './outbox.ts'

/** Of so many, how many were good; old ones count less and less. */
interface Tally {
  good: number
  bad: number
}

interface Score {
  /** What it told of its own clients: it has their signed catalogues, and nobody else to blame. */
  readonly own: Tally
  /** All that it told when it was asked first, what others had told it included. */
  readonly all: Tally
  /** Of what there is, what it told, as each of a few others shows. BOUNDED by MAX_WITNESSES. */
  readonly recall: BoundedMap<Peer, Tally>
}

const MAX_WITNESSES = 4
/** It takes so many to show that a super-peer hides: one alone could make up what the other did not tell. */
const WITNESSES = 2
/** Before anything is known of it. */
const PRIOR: Tally = { good: 2, bad: 0.5 }
/** Even the worst is asked now and then, while it is ours. */
const LEAST_WEIGHT = 0.05

/** What super-peers are worth: whether what they tell is true, and whether they tell all of it. */
export class Scores {
  readonly #config: SuperPeerConfig
  readonly #outbox: Outbox
  readonly #scores = new BoundedMap<Peer, Score>(superPeerLimits.maxScores)
  /** Until when. */
  readonly #avoided = new BoundedMap<Peer, number>(superPeerLimits.maxAvoided)

  constructor(init: { config: SuperPeerConfig; outbox: Outbox }) {
    this.#config = init.config
    this.#outbox = init.outbox
  }

  isAvoided = (peer: Peer): boolean => (this.#avoided.get(peer) ?? 0) > this.#outbox.now

  /** Something that it told was looked at. */
  onVerdict(peer: Peer, { isOwn, isFirst }: { isOwn: boolean; isFirst: boolean }, good: boolean): void {
    const score = this.#of(peer)
    // one that was asked second has been told not to tell what is known, which is most of what is true
    if (isFirst) add(score.all, good, superPeerLimits.totalMemory)
    if (isOwn) add(score.own, good)
  }

  /** Something true that `witness` knows it had told, or could have and had not. */
  onRecall(peer: Peer, witness: Peer, hasTold: boolean): void {
    const { recall } = this.#of(peer)
    const tally = recall.get(witness) ?? { good: 0, bad: 0 }
    add(tally, hasTold)
    recall.set(witness, tally)
  }

  /** How likely it is asked first, above 0 and at most 1. */
  weight(peer: Peer): number {
    const score = this.#scores.get(peer)
    if (score === undefined) return shareOf(PRIOR)
    const precision = Math.min(shareOf(sum(score.all, PRIOR)), shareOf(sum(score.own, PRIOR)))
    // the best that anybody shows: a witness that lies makes nobody worse than another one says, and alone not by much
    const recalls = [...score.recall.values()].filter(isEnoughRecall).map(shareOf)
    const best = recalls.length === 0 ? shareOf(PRIOR) : Math.max(...recalls)
    const recall = recalls.length < WITNESSES ? Math.max(best, shareOf(PRIOR) / 2) : best
    return Math.max(LEAST_WEIGHT, precision * recall)
  }

  /** Whether it has shown that it tells what there is. */
  isTrusted(peer: Peer): boolean {
    const score = this.#scores.get(peer)
    if (score === undefined) return false
    return [...score.recall.values()].some(tally => isEnoughRecall(tally) && shareOf(tally) >= 0.8)
  }

  /** Why it should be left, or undefined. `others`: those that it is compared with. */
  faultOf(peer: Peer, others: readonly Peer[]): 'spam' | 'hiding' | undefined {
    const score = this.#scores.get(peer)
    if (score === undefined) return undefined
    const { precisionBar, totalPrecisionBar, recallBar } = superPeerLimits
    if (isEnough(score.own) && shareOf(score.own) < precisionBar) return 'spam'
    const total = shareOf(score.all)
    if (isEnoughInAll(score.all) && total < totalPrecisionBar) {
      const isBetter = (other: Peer): boolean => {
        const all = this.#scores.get(other)?.all
        return other !== peer && all !== undefined && isEnoughInAll(all) && shareOf(all) > 3 * total
      }
      // where everybody tells lies, it is not this one's
      if (others.some(isBetter)) return 'spam'
    }
    const against = [...score.recall.values()].filter(tally => isEnoughRecall(tally) && shareOf(tally) < recallBar)
    const bestRecall = Math.max(0, ...[...score.recall.values()].filter(isEnoughRecall).map(shareOf))
    return against.length >= WITNESSES && bestRecall < recallBar ? 'hiding' : undefined
  }

  avoid(peer: Peer): void {
    this.#avoided.set(peer, this.#outbox.now + this.#config.avoidMs)
    this.#scores.delete(peer)
  }

  #of(peer: Peer): Score {
    let score = this.#scores.get(peer)
    if (score === undefined) {
      score = { own: { good: 0, bad: 0 }, all: { good: 0, bad: 0 }, recall: new BoundedMap(MAX_WITNESSES) }
    }
    this.#scores.set(peer, score)
    return score
  }
}

function add(tally: Tally, good: boolean, memory = superPeerLimits.scoreMemory): void {
  if (good) tally.good++
  else tally.bad++
  if (tally.good + tally.bad <= memory) return
  tally.good /= 2
  tally.bad /= 2
}

function sum(a: Tally, b: Tally): Tally {
  return { good: a.good + b.good, bad: a.bad + b.bad }
}

function shareOf({ good, bad }: Tally): number {
  return good + bad === 0 ? 1 : good / (good + bad)
}

function isEnough({ good, bad }: Tally): boolean {
  return good + bad >= superPeerLimits.minVerdicts
}

function isEnoughInAll({ good, bad }: Tally): boolean {
  return good + bad >= superPeerLimits.minTotalVerdicts
}

function isEnoughRecall({ good, bad }: Tally): boolean {
  return good + bad >= superPeerLimits.minRecalls
}

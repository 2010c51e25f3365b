import { BoundedMap } from '../core/bounded-map.ts'
import type { FileId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { superPeerLimits } from './config.ts'
import type { Scores } from './scores.ts'

/** Hits of one search that can be judged, and how many of one search count for what a super-peer leaves out. */
const MAX_HITS = 4_096
const MAX_RECALLS = 4

interface Told {
  readonly by: Peer
  /** Of its own clients. */
  readonly isOwn: boolean
}

interface Judged {
  /** By holder and file. BOUNDED by MAX_HITS, and `supers` for each. */
  readonly told: Map<string, Told[]>
  /** Who was asked first, and who was asked after it and knew what it had told. */
  pair: { readonly first: Peer; readonly second: Peer } | undefined
  /** The first has ended with less than was wanted: what it has not told, it has not found. */
  isShort: boolean
  kept: number
  missed: number
}

/** Who told what in the last searches, so that a verdict about a hit finds those whom it speaks for or against. */
export class Judging {
  readonly #scores: Scores
  readonly #searches = new BoundedMap<number, Judged>(superPeerLimits.maxJudged)

  constructor(scores: Scores) {
    this.#scores = scores
  }

  begin(search: number): void {
    this.#searches.set(search, { told: new Map(), pair: undefined, isShort: false, kept: 0, missed: 0 })
  }

  onTold(search: number, holder: Peer, id: FileId, told: Told): void {
    const judged = this.#searches.get(search)
    const key = keyOf(holder, id)
    const before = judged?.told.get(key)
    if (before !== undefined) {
      if (!before.some(({ by }) => by === told.by)) before.push(told)
    } else if (judged !== undefined && judged.told.size < MAX_HITS) {
      judged.told.set(key, [told])
    }
  }

  onPair(search: number, first: Peer, second: Peer): void {
    const judged = this.#searches.get(search)
    if (judged !== undefined) judged.pair ??= { first, second }
  }

  /** One has told all that it will. */
  onFirstEnd(search: number, peer: Peer, isShort: boolean): void {
    const judged = this.#searches.get(search)
    if (judged?.pair?.first === peer) judged.isShort = isShort
  }

  /** Returns whose score has changed. Only what is true counts for what somebody has not told. */
  onVerdict(search: number, holder: Peer, id: FileId, good: boolean): Peer[] {
    const judged = this.#searches.get(search)
    const key = keyOf(holder, id)
    const told = judged?.told.get(key)
    if (judged === undefined || told === undefined) return []
    judged.told.delete(key)
    const tellers = told.map(({ by }) => by)
    const { pair, isShort } = judged
    for (const { by, isOwn } of told) {
      this.#scores.onVerdict(by, { isOwn, isFirst: pair === undefined || by === pair.first }, good)
    }
    if (!good || pair === undefined || !isShort) return tellers
    if (tellers.includes(pair.first)) {
      if (judged.kept++ < MAX_RECALLS) this.#scores.onRecall(pair.first, pair.second, true)
    } else if (tellers.includes(pair.second) && judged.missed++ < MAX_RECALLS) {
      this.#scores.onRecall(pair.first, pair.second, false)
      return [...tellers, pair.first]
    }
    return tellers
  }
}

function keyOf(holder: Peer, id: FileId): string {
  return `${holder} ${id}`
}

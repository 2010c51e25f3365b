import type { Infohash } from '../core/ids.ts'
import { mix } from '../core/mix.ts'
import type { Peer } from '../core/peer.ts'
import type { Crypto } from '../core/signing.ts'
import { brokerLimits } from './config.ts'

/** Words of 32 bits of a SHA-256. */
type Words = readonly number[]

/**
 * Who is a broker of what: of those that are known, the first by rendezvous (D. Thaler, C. Ravishankar, "Using name-based
 * mappings to increase hit rates", ToN 1998). Nodes that know the same brokers come to the same answer without a word,
 * and when one goes, only what was its own changes.
 */
export class KnownBrokers {
  readonly #hashing: Pick<Crypto, 'sha256'>
  readonly #words = new Map<Peer, Words>() // BOUNDED by maxBrokers and those that are weighed besides
  #peers: readonly Peer[] = []
  /** Changes whenever the list does. */
  version = 0

  constructor(hashing: Pick<Crypto, 'sha256'>) {
    this.#hashing = hashing
  }

  get peers(): readonly Peer[] {
    return this.#peers
  }

  /** Returns whether anything changed. */
  set(peers: readonly Peer[]): boolean {
    const next = [...new Set(peers)].slice(0, brokerLimits.maxBrokers)
    const before = new Set(this.#peers)
    if (next.length === before.size && next.every(peer => before.has(peer))) return false
    this.#peers = next
    this.#words.clear()
    this.version++
    return true
  }

  /** The first of those that are known, the best first. */
  ofItem(infohash: Infohash, count: number): Peer[] {
    return this.#best(this.#peers, wordsOf(infohash), count)
  }

  /** Where a host is registered. */
  ofHost(host: Peer, count: number): Peer[] {
    return this.#best(this.#peers, this.#wordsOf(host), count)
  }

  /** These in their order for an item, whether they are known or not. */
  rank(peers: Iterable<Peer>, infohash: Infohash): Peer[] {
    const all = [...peers]
    return this.#best(all, wordsOf(infohash), all.length)
  }

  /** For choices that everyone makes alike. */
  weight(peer: Peer, infohash: Infohash): number {
    return weigh(this.#wordsOf(peer), wordsOf(infohash))
  }

  #best(peers: readonly Peer[], key: Words, count: number): Peer[] {
    // few of many are wanted: an insertion costs less than to sort them all
    const best: { peer: Peer; weight: number }[] = []
    for (const peer of peers) {
      const weight = weigh(this.#wordsOf(peer), key)
      if (best.length === count && weight <= (best[count - 1] as { weight: number }).weight) continue
      let at = best.length
      while (at > 0 && (best[at - 1] as { weight: number }).weight < weight) at--
      best.splice(at, 0, { peer, weight })
      if (best.length > count) best.pop()
    }
    return best.map(({ peer }) => peer)
  }

  #wordsOf(peer: Peer): Words {
    const known = this.#words.get(peer)
    if (known !== undefined) return known
    const hash = this.#hashing.sha256(utf8.encode(String(peer)))
    const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength)
    const words = Array.from({ length: 8 }, (_, i) => view.getInt32(4 * i))
    if (this.#words.size >= 2 * brokerLimits.maxBrokers) this.#words.clear()
    this.#words.set(peer, words)
    return words
  }
}

const utf8 = new TextEncoder()

function wordsOf(infohash: Infohash): Words {
  return Array.from({ length: 8 }, (_, i) => Number.parseInt(infohash.slice(8 * i, 8 * i + 8), 16) | 0)
}

/**
 * Both are SHA-256 already, so that mixing them spreads as well as to hash them once more, for a hundredth of the work.
 * 53 bits.
 */
function weigh(a: Words, b: Words): number {
  let [high, low] = [0, 0]
  for (let i = 0; i < 8; i += 2) {
    high = mix(high ^ mix((a[i] as number) ^ Math.imul(b[i] as number, 0x9e3779b1)))
    low = mix(low ^ mix((a[i + 1] as number) ^ Math.imul(b[i + 1] as number, 0x85ebca77)))
  }
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0)
}

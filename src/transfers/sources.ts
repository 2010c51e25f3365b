import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { bySupport, type Support } from './sizes.ts'

export const sourceConfig = {
  /** Peers of a swarm that this node dials by itself; others may connect to it. */
  wanted: 30,
  maxKnown: 512,
  /** Sizes that are remembered as stated of one peer. */
  maxSizes: 4,
  retryFirstMs: 2_000,
  retryLastMs: 120_000
}

interface Source {
  failures: number
  triedAt: number
  notBefore: number
  /** Sizes that others state of what it has; empty when nobody says. BOUNDED by maxSizes */
  readonly stated: Set<number>
  /** What it says itself: what others state counts no more. */
  said: number | undefined
}

/** Peers that are said to have a swarm's content, in which size, and when each is worth a try. */
export class Sources {
  readonly #sources = new BoundedMap<Peer, Source>(sourceConfig.maxKnown)
  readonly #refused = new BoundedMap<Peer, true>(sourceConfig.maxKnown)

  get size(): number {
    return this.#sources.size
  }

  /**
   * The peer was named as one that has the content, of `bytes` if that was said. One that is known already is worth a try
   * sooner than its failures say, but not twice within the shortest wait. Returns whether it is due.
   */
  add(peer: Peer, now: number, bytes?: number): boolean {
    if (this.#refused.has(peer)) return false
    let source = this.#sources.get(peer)
    if (source === undefined) {
      source = { failures: 0, triedAt: Number.NEGATIVE_INFINITY, notBefore: now, stated: new Set(), said: undefined }
      this.#sources.set(peer, source)
    }
    if (bytes !== undefined && source.stated.size < sourceConfig.maxSizes) source.stated.add(bytes)
    source.notBefore = Math.min(source.notBefore, source.triedAt + sourceConfig.retryFirstMs)
    return source.notBefore <= now
  }

  /** The peer has connected to this node. Returns whether it is one of them, and due at once. */
  isBack(peer: Peer): boolean {
    const source = this.#sources.get(peer)
    if (source === undefined) return false
    source.failures = 0
    source.notBefore = Number.NEGATIVE_INFINITY
    return true
  }

  /** What the peer itself says of the size. */
  says(peer: Peer, bytes: number): void {
    const source = this.#sources.get(peer)
    if (source === undefined) return
    // what it was asked for in vain was not its own
    if (source.said !== bytes) source.notBefore = Number.NEGATIVE_INFINITY
    source.said = bytes
  }

  /** Peers to dial now for content of so many bytes. `connected` of them are in the swarm already. */
  due(now: number, bytes: number, connected: number, isConnected: (peer: Peer) => boolean): Peer[] {
    const room = sourceConfig.wanted - connected
    const due: Peer[] = []
    for (const [peer, source] of this.#sources) {
      if (due.length >= room) break
      if (source.notBefore <= now && mayHave(source, bytes) && !isConnected(peer)) due.push(peer)
    }
    return due
  }

  /** Of the other sizes that are stated, the best one of which somebody is worth a try now. */
  otherSize(now: number, bytes: number): number | undefined {
    const support = new Map<number, Support & { isDue: boolean }>() // BOUNDED by maxKnown × maxSizes
    for (const [, { said, stated, notBefore }] of this.#sources) {
      for (const size of said === undefined ? stated : [said]) {
        if (size === bytes) continue
        const known = support.get(size) ?? { size, firsthand: 0, hearsay: 0, isDue: false }
        known[said === undefined ? 'hearsay' : 'firsthand']++
        known.isDue ||= notBefore <= now
        support.set(size, known)
      }
    }
    return [...support.values()].filter(({ isDue }) => isDue).sort(bySupport)[0]?.size
  }

  /** A try has begun, or ended without success: the next one is later each time. */
  tried(peer: Peer, now: number): void {
    const source = this.#sources.get(peer)
    if (source === undefined) return
    source.triedAt = now
    source.notBefore = now + Math.min(sourceConfig.retryFirstMs * 2 ** source.failures++, sourceConfig.retryLastMs)
  }

  succeeded(peer: Peer): void {
    const source = this.#sources.get(peer)
    if (source !== undefined) source.failures = 0
  }

  /** Never to be tried again. */
  refuse(peer: Peer): void {
    this.#sources.delete(peer)
    this.#refused.set(peer, true)
  }
}

function mayHave({ said, stated }: Source, bytes: number): boolean {
  return said === undefined ? stated.size === 0 || stated.has(bytes) : said === bytes
}

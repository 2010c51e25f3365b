import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import type { Peer } from '../../protocols/core/peer.ts'

export const sourceConfig = {
  /** Peers of a swarm that this node dials by itself; others may connect to it. */
  wanted: 30,
  maxKnown: 512,
  retryFirstMs: 2_000,
  retryLastMs: 120_000
}

interface Source {
  failures: number
  notBefore: number
}

/** Peers that are said to have a swarm's content, and when each is worth a try. */
export class Sources {
  readonly #sources = new BoundedMap<Peer, Source>(sourceConfig.maxKnown)
  readonly #refused = new BoundedMap<Peer, true>(sourceConfig.maxKnown)

  get size(): number {
    return this.#sources.size
  }

  /** Whether the peer is new. One that was named again is not tried sooner. */
  add(peer: Peer): boolean {
    if (this.#sources.has(peer) || this.#refused.has(peer)) return false
    this.#sources.set(peer, { failures: 0, notBefore: 0 })
    return true
  }

  /** Peers to dial now. `connected` of them are in the swarm already. */
  due(now: number, connected: number, isConnected: (peer: Peer) => boolean): Peer[] {
    const room = sourceConfig.wanted - connected
    const due: Peer[] = []
    for (const [peer, { notBefore }] of this.#sources) {
      if (due.length >= room) break
      if (notBefore <= now && !isConnected(peer)) due.push(peer)
    }
    return due
  }

  /** A try has begun, or ended without success: the next one is later each time. */
  tried(peer: Peer, now: number): void {
    const source = this.#sources.get(peer)
    if (source === undefined) return
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

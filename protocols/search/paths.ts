import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { SearchConfig } from './config.ts'
import { Echo } from './echo.ts'

/** A query of somebody else that this node took, and its way back. */
export interface Path {
  readonly id: string
  /** Who it came from; undefined when that peer is gone. */
  parent: Peer | undefined
  /** Hops that were left when it was passed on. */
  readonly ttl: number
  readonly echo: Echo
  /** Bytes of hits that may still go back. */
  bytesLeft: number
  readonly deadline: number
  readonly expires: number
}

/** The queries of others that are remembered, and those of them that wait for reports. */
export class Paths {
  readonly #config: SearchConfig
  readonly #paths: BoundedMap<string, Path>
  /** By hops left: all in one have waited for equally long, so they are due in order. BOUNDED by #paths. */
  readonly #waiting: Map<string, Path>[]

  constructor(config: SearchConfig) {
    this.#config = config
    this.#paths = new BoundedMap(config.maxPaths)
    this.#waiting = Array.from({ length: config.maxTtl + 1 }, () => new Map<string, Path>())
  }

  get size(): number {
    return this.#paths.size
  }

  get(id: string, now: number): Path | undefined {
    const path = this.#paths.get(id)
    return path !== undefined && path.expires > now ? path : undefined
  }

  /** `evicted` had to make room and was still waiting. */
  add(id: string, parent: Peer, ttl: number, now: number): { path: Path; evicted: Path | undefined } {
    this.#forgetExpired(now)
    const { hopMs, pathMs, maxPathBytes } = this.#config
    const path: Path = {
      id,
      parent,
      ttl,
      echo: new Echo(1),
      bytesLeft: maxPathBytes,
      deadline: now + Math.min(hopMs * ttl, pathMs),
      expires: now + pathMs
    }
    const evicted = this.#paths.set(id, path)?.[1]
    const wasWaiting = evicted !== undefined && this.#waitingAt(evicted.ttl).delete(evicted.id)
    this.#waitingAt(ttl).set(id, path)
    return { path, evicted: wasWaiting ? evicted : undefined }
  }

  /** Nobody is waited for any more; the way back stays open. Returns false when it was so before. */
  settle(path: Path): boolean {
    return this.#waitingAt(path.ttl).delete(path.id)
  }

  /** When the next one has waited for long enough. */
  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const waiting of this.#waiting) {
      for (const { deadline } of waiting.values()) {
        next = Math.min(next, deadline)
        break
      }
    }
    return next
  }

  /** Those that have waited for long enough. */
  due(now: number): Path[] {
    const due: Path[] = []
    for (const waiting of this.#waiting) {
      for (const path of waiting.values()) {
        if (path.deadline > now) break
        due.push(path)
      }
    }
    return due
  }

  /** The peer is gone. Returns those that waited for it alone. */
  lose(peer: Peer): Path[] {
    const over: Path[] = []
    for (const path of this.#paths.values()) {
      if (path.parent === peer) path.parent = undefined
      path.echo.lose(peer)
    }
    for (const waiting of this.#waiting) {
      for (const path of waiting.values()) if (path.echo.isOver) over.push(path)
    }
    return over
  }

  #waitingAt(ttl: number): Map<string, Path> {
    return this.#waiting[ttl] as Map<string, Path>
  }

  #forgetExpired(now: number): void {
    for (let oldest = this.#paths.oldest(); oldest !== undefined; oldest = this.#paths.oldest()) {
      if (oldest[1].expires > now) return
      this.settle(oldest[1])
      this.#paths.delete(oldest[0])
    }
  }
}

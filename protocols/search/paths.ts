import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { ALL, Branch, type Order } from './branch.ts'
import type { SearchConfig } from './config.ts'
import type { Query } from './messages.ts'

/** A query of somebody else that this node took, and its way back. */
export interface Path {
  readonly id: string
  /** Who it came from; undefined when that peer is gone. */
  parent: Peer | undefined
  /** What goes on with it: the hops behind it and the hits for each holder, and what is looked for. */
  readonly hops: number
  readonly limit: number
  readonly query: Query
  readonly branch: Branch
  /** Bytes of hits that went back, of all and by way of each peer that was asked. BOUNDED by those. */
  bytes: number
  bytesOf: Map<Peer, number> | undefined
  /** Whom this node has named itself, when there are others that it has not. BOUNDED by maxHolders and one answer. */
  told: Set<Peer> | undefined
  isWaiting: boolean
  /** Which of the waits it is in, while it waits. */
  wait: number
  deadline: number
  expires: number
}

/** The queries of others that are remembered, and those of them that wait for reports. */
export class Paths {
  readonly #config: SearchConfig
  readonly #paths: BoundedMap<string, Path>
  /** By the hops that are waited for: in each all wait for equally long, so they are due in order. BOUNDED by #paths. */
  readonly #waiting = new Map<number, Set<Path>>()
  /** When the first of them has waited for long enough; undefined when it has to be looked up again. */
  #next: number | undefined = Number.POSITIVE_INFINITY
  readonly #longest: number

  constructor(config: SearchConfig) {
    this.#config = config
    this.#paths = new BoundedMap(config.maxPaths)
    this.#longest = Math.max(1, Math.floor(config.pathMs / config.hopMs))
  }

  get size(): number {
    return this.#paths.size
  }

  get(id: string, now: number): Path | undefined {
    const path = this.#paths.get(id)
    return path !== undefined && path.expires > now ? path : undefined
  }

  /** Whether so many bytes of hits may still go back by way of this peer: no branch takes more than half of what may. */
  takeBytes(path: Path, from: Peer, bytes: number): boolean {
    const { maxPathBytes } = this.#config
    const used = path.bytesOf?.get(from) ?? 0
    if (path.bytes + bytes > maxPathBytes || used + bytes > maxPathBytes / 2) return false
    path.bytes += bytes
    path.bytesOf ??= new Map()
    path.bytesOf.set(from, used + bytes)
    return true
  }

  /** `ended` had to make room, or nobody asked in time what had come of them, and were still waiting. */
  add(
    init: { id: string; parent: Peer; hops: number; limit: number; query: Query; order: Order },
    now: number
  ): { path: Path; ended: Path[] } {
    const ended = this.#forgetExpired(now)
    const { id, parent, hops, limit, query, order } = init
    const path: Path = {
      id,
      parent,
      hops,
      limit,
      query,
      branch: new Branch(order, { parent }),
      bytes: 0,
      bytesOf: undefined,
      told: undefined,
      isWaiting: false,
      wait: 0,
      deadline: 0,
      expires: 0
    }
    const evicted = this.#remember(path, now)
    if (evicted !== undefined && this.settle(evicted)) ended.push(evicted)
    this.#wait(path, now)
    return { path, ended }
  }

  /** It goes on with another order, and is remembered from now. */
  renew(path: Path, order: Order, now: number): void {
    path.branch.renew(order)
    this.#remember(path, now)
    this.#wait(path, now)
  }

  #remember(path: Path, now: number): Path | undefined {
    path.expires = now + this.#config.pathMs
    return this.#paths.set(path.id, path)?.[1]
  }

  /** It waits for reports from now on: a hop's time for each hop that its order still allows one after another. */
  #wait(path: Path, now: number): void {
    const { ttl, budget, width } = path.branch.order
    // walkers ask one peer after another, so it is not how far they get but how often they turn that takes time
    const isWalk = width !== ALL && width > 0
    path.wait = Math.min(isWalk ? this.#longest : ttl, budget, this.#longest)
    path.deadline = now + path.wait * this.#config.hopMs
    let waiting = this.#waiting.get(path.wait)
    if (waiting === undefined) {
      waiting = new Set()
      this.#waiting.set(path.wait, waiting)
    }
    waiting.add(path)
    path.isWaiting = true
    if (this.#next !== undefined && path.deadline < this.#next) this.#next = path.deadline
  }

  /** Nobody is waited for any more; the way back stays open. Returns false when it was so before. */
  settle(path: Path): boolean {
    if (!path.isWaiting) return false
    path.isWaiting = false
    const waiting = this.#waiting.get(path.wait) as Set<Path>
    waiting.delete(path)
    if (waiting.size === 0) this.#waiting.delete(path.wait)
    if (path.deadline === this.#next) this.#next = undefined
    return true
  }

  /** When the next one has waited for long enough. */
  nextDeadline(): number {
    this.#next ??= this.#firstDeadline()
    return this.#next
  }

  /** Those that have waited for long enough. */
  due(now: number): Path[] {
    const due: Path[] = []
    for (const waiting of this.#waiting.values()) {
      for (const path of waiting) {
        if (path.deadline > now) break
        due.push(path)
      }
    }
    return due
  }

  /** The peer is gone. Returns those that were waiting, so that they ask somebody else or report. */
  lose(peer: Peer): Path[] {
    const waited: Path[] = []
    for (const path of this.#paths.values()) {
      if (path.parent === peer) path.parent = undefined
      if (!path.branch.hasAsked(peer)) continue
      path.branch.lose(peer)
      if (path.isWaiting) waited.push(path)
    }
    return waited
  }

  #firstDeadline(): number {
    let first = Number.POSITIVE_INFINITY
    for (const waiting of this.#waiting.values()) {
      for (const { deadline } of waiting) {
        first = Math.min(first, deadline)
        break
      }
    }
    return first
  }

  /** Returns those that were still waiting. */
  #forgetExpired(now: number): Path[] {
    const waited: Path[] = []
    for (let oldest = this.#paths.oldest(); oldest !== undefined; oldest = this.#paths.oldest()) {
      const [id, path] = oldest
      if (path.expires > now) break
      if (this.settle(path)) waited.push(path)
      this.#paths.delete(id)
    }
    return waited
  }
}

import type { Peer } from '../../protocols/core/peer.ts'
import type { SwarmHandle, SwarmNotice } from '../../protocols/exchange/handler.ts'
import type { Hit } from '../../protocols/search/index.ts'
import type { Membership, Moved } from './announcer.ts'
import { Finder, type FinderParts } from './finder.ts'
import { isPossibleSize, type Plan } from './plan.ts'
import { SizeTurns } from './size-turns.ts'
import type { SizeClaim } from './sizes.ts'
import { Sources } from './sources.ts'

export const holdersConfig = {
  /** Peers with something for us at which nobody else is searched for. */
  enoughPeers: 8
}

export interface HoldersInit {
  /** Who states which size of a file; empty for a collection. */
  claims: readonly SizeClaim[]
  /** Somebody is worth a try now. */
  onNews(): void
}

/** Those who have what a transfer fetches: finds them, dials them when they are due, and hears what size they know. */
export class Holders {
  readonly #parts: FinderParts
  readonly #init: HoldersInit
  readonly #sources = new Sources()
  readonly #turns = new SizeTurns()
  #finder: Finder | undefined
  #stopListening: (() => void) | undefined
  #isStopped = false
  #dialling = 0

  constructor(parts: FinderParts, init: HoldersInit) {
    this.#parts = parts
    this.#init = init
    const now = performance.now()
    for (const { size, holders } of init.claims) for (const holder of holders) this.#add(holder as Peer, now, size)
  }

  /** How many are known, here or not. */
  get known(): number {
    return this.#sources.size
  }

  /** This node's part in the swarm; undefined before `start`. It does not end with `stop`. */
  get membership(): Membership | undefined {
    return this.#finder?.membership
  }

  start({ id, leads, metainfo }: Plan, moved: Moved): void {
    const isFile = metainfo === undefined
    this.#finder = new Finder(this.#parts, {
      id,
      leads,
      moved,
      onPeer: (peer: Peer, hit?: Hit) => {
        if (this.#add(peer, performance.now(), isFile ? hit?.size : undefined)) this.#init.onNews()
      },
      // what is called by the same id and is of the other kind is somebody's mistake
      accepts: hit => (isFile ? hit.id === id && isPossibleSize(hit.size) : hit.infohash === id)
    })
    this.#finder.start()
    this.#stopListening = this.#parts.reach.onConnect(peer => {
      if (this.#sources.isBack(peer)) this.#init.onNews()
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#stopListening?.()
    this.#finder?.stop()
  }

  /** A swarm for content of so many bytes is open. `before`: peers of the one that it takes the place of. */
  beginSwarm(bytes: number, before: readonly Peer[]): void {
    this.#turns.begin(bytes, performance.now())
    for (const peer of before) this.#sources.isBack(peer)
  }

  onNotice(notice: SwarmNotice): void {
    switch (notice.type) {
      case 'liar':
        this.#sources.refuse(notice.peer)
        return
      case 'sizeStated':
        this.#sources.says(notice.peer, notice.bytes)
        return
      case 'peerUp':
        this.#turns.onPeer(performance.now())
        this.#sources.succeeded(notice.peer)
        return
      case 'peerDown':
        if (notice.why === 'liar' || notice.why === 'violation' || notice.why === 'incompatible') {
          this.#sources.refuse(notice.peer)
        } else if (notice.why !== 'otherSize') this.#sources.tried(notice.peer, performance.now())
        return
      default:
        return
    }
  }

  /** Something new is stored: whoever sent it deserves more time. */
  onStored(now: number): void {
    this.#turns.onStored(now)
  }

  /**
   * Dials those who are due, and has more searched for while there are too few. Returns the size that is to be tried
   * instead when this one is not proven, and its holders have failed or sent nothing for too long.
   */
  work(
    swarm: SwarmHandle,
    { now, bytes, isProven }: { now: number; bytes: number; isProven: boolean }
  ): number | undefined {
    const { peers } = swarm.stats()
    // who has nothing for us is no reason to stop looking for those who have
    const useful = peers.filter(({ isInteresting, isSnubbing }) => isInteresting && !isSnubbing).length
    if (this.#finder !== undefined) this.#finder.isEnough = isProven && useful >= holdersConfig.enoughPeers
    for (const peer of this.#sources.due(now, bytes, useful, peer => swarm.isConnected(peer))) {
      this.#sources.tried(peer, now)
      void this.#connect(swarm, peer)
    }
    if (isProven) return undefined
    const mayCome = useful > 0 || this.#dialling > 0
    return this.#turns.isOver(now, { mayCome, peers: peers.length }) ? this.#sources.otherSize(now, bytes) : undefined
  }

  #add(peer: Peer, now: number, bytes: number | undefined): boolean {
    return peer !== this.#parts.reach.self && this.#sources.add(peer, now, bytes)
  }

  async #connect(swarm: SwarmHandle, peer: Peer): Promise<void> {
    this.#dialling++
    try {
      const id = await this.#parts.reach.prepare(peer)
      if (id === undefined) this.#sources.refuse(peer)
      else if (!this.#isStopped) await swarm.connect(id)
    } finally {
      this.#dialling--
    }
  }
}

import type { Connection, Libp2p, Peer as StoredPeer } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { PeerStatus } from '../api.ts'

export const dialerConfig = {
  /** Connections to keep, if there are peers enough. */
  targetConnections: 12,
  /** Above the target, peers found on the local network are dialled up to this many connections. */
  maxConnections: 64,
  everyMs: 2_000,
  maxCandidates: 1_024,
  maxParallelDials: 8,
  dialTimeoutMs: 10_000,
  backoffFirstMs: 1_000,
  backoffLastMs: 5 * 60_000,
  /** Peers that the user named are asked again more often. */
  givenBackoffLastMs: 30_000
}

type FoundBy = PeerStatus['foundBy']

const RANK: Partial<Record<FoundBy, number>> = { given: 0, mdns: 1 }
const RANKS = 4

interface Candidate {
  addresses: Multiaddr[]
  foundBy: FoundBy
  failures: number
  notBefore: number
  dialling: boolean
}

/**
 * Keeps the node connected: js-libp2p dials nobody by itself. Candidates come from the local network, from what the user
 * gave, and from the last run; each failure makes its next try later.
 */
export class Dialer {
  readonly #host: Libp2p
  readonly #isWelcome: (peer: Peer) => boolean
  readonly #candidates = new BoundedMap<Peer, Candidate>(dialerConfig.maxCandidates)
  readonly #foundBy = new BoundedMap<Peer, FoundBy>(dialerConfig.maxCandidates)
  #timer: ReturnType<typeof setInterval> | undefined
  #dials = 0

  constructor(init: { host: Libp2p; isWelcome(peer: Peer): boolean }) {
    this.#host = init.host
    this.#isWelcome = init.isWelcome
  }

  async start(given: readonly string[]): Promise<void> {
    for (const address of given) this.found([address], 'given')
    for (const peer of await this.#host.peerStore.all()) this.#remember(peer)
    this.#timer = setInterval(() => this.#work(), dialerConfig.everyMs)
    this.#timer.unref()
    this.#work()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Addresses of one peer, each with `/p2p/<id>` at its end. Those that cannot be read are ignored. */
  found(addresses: readonly string[], foundBy: FoundBy): void {
    const parsed = addresses.flatMap(text => parseAddress(text) ?? [])
    const id = parsed[0]?.peer
    if (id === undefined || id === this.#host.peerId.toString()) return
    const peer = id as Peer
    const own = parsed.filter(address => address.peer === id).map(({ address }) => address)
    const known = this.#candidates.get(peer)
    if (known !== undefined) {
      const news = own.some(address => !known.addresses.some(other => other.equals(address)))
      // a peer that announces itself at another address has moved: its old failures say nothing
      if (news) Object.assign(known, { addresses: own, failures: 0, notBefore: 0 })
      if (foundBy === 'given' || (foundBy === 'mdns' && known.foundBy === 'remembered')) known.foundBy = foundBy
    } else {
      this.#candidates.set(peer, { addresses: own, foundBy, failures: 0, notBefore: 0, dialling: false })
    }
    if (!this.#foundBy.has(peer)) this.#foundBy.set(peer, foundBy)
    this.#work()
  }

  /** How this node came to know a peer that it is connected to. */
  foundByOf(peer: Peer, connection: Connection): FoundBy {
    return this.#foundBy.get(peer) ?? (connection.direction === 'inbound' ? 'dialled us' : 'overlay')
  }

  get knownPeers(): number {
    return this.#candidates.size
  }

  #remember(stored: StoredPeer): void {
    const peer = stored.id.toString() as Peer
    if (peer === this.#host.peerId.toString() || this.#candidates.has(peer)) return
    const addresses = stored.addresses.map(({ multiaddr }) => multiaddr)
    // one without protocols was heard of and never met
    if (addresses.length === 0 || stored.protocols.length === 0) return
    this.#candidates.set(peer, { addresses, foundBy: 'remembered', failures: 0, notBefore: 0, dialling: false })
    this.#foundBy.set(peer, 'remembered')
  }

  #work(): void {
    const now = performance.now()
    const connected = new Set(this.#host.getPeers().map(String))
    for (const [peer, candidate] of this.#inOrder()) {
      if (this.#dials >= dialerConfig.maxParallelDials) return
      if (connected.has(peer as string) || candidate.dialling || candidate.notBefore > now) continue
      const room = candidate.foundBy === 'mdns' ? dialerConfig.maxConnections : dialerConfig.targetConnections
      if (connected.size + this.#dials >= room && candidate.foundBy !== 'given') continue
      if (!this.#isWelcome(peer)) continue
      void this.#dial(candidate)
    }
  }

  /** Peers that are surely there before those of earlier runs, and those that failed often last: many may be gone. */
  #inOrder(): [Peer, Candidate][] {
    const rank = ({ failures, foundBy }: Candidate): number => failures * RANKS + (RANK[foundBy] ?? RANKS - 1)
    return [...this.#candidates].sort(([, a], [, b]) => rank(a) - rank(b))
  }

  async #dial(candidate: Candidate): Promise<void> {
    candidate.dialling = true
    this.#dials++
    try {
      await this.#host.dial(candidate.addresses, { signal: AbortSignal.timeout(dialerConfig.dialTimeoutMs) })
      candidate.failures = 0
      // a connection that does not last is not opened again at once
      candidate.notBefore = performance.now() + dialerConfig.backoffFirstMs
    } catch {
      const last = candidate.foundBy === 'given' ? dialerConfig.givenBackoffLastMs : dialerConfig.backoffLastMs
      const wait = Math.min(dialerConfig.backoffFirstMs * 2 ** candidate.failures++, last)
      candidate.notBefore = performance.now() + wait * (0.75 + Math.random() / 2)
    } finally {
      candidate.dialling = false
      this.#dials--
    }
  }
}

function parseAddress(text: string): { address: Multiaddr; peer: string } | undefined {
  try {
    const address = multiaddr(text)
    const peer = address.getComponents().findLast(({ name }) => name === 'p2p')?.value
    return peer === undefined ? undefined : { address, peer }
  } catch {
    return undefined
  }
}

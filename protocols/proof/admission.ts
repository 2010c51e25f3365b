import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import type { ProofConfig } from './config.ts'

interface Account {
  questions: TokenBucket
  bytes: TokenBucket
}

/** How much strangers may make this node read: each for itself, and all together. */
export class Admission {
  readonly #config: ProofConfig
  readonly #accounts: BoundedMap<Peer, Account>
  readonly #all: TokenBucket

  constructor(config: ProofConfig) {
    this.#config = config
    this.#accounts = new BoundedMap(config.maxPeers)
    this.#all = new TokenBucket(config.allBytes)
  }

  /** Counts a question. 'flood': no honest peer asks so often. */
  question(peer: Peer, now: number): 'good' | 'refused' | 'flood' {
    if (!this.#accountOf(peer).questions.take(now)) return 'flood'
    return this.read(peer, now, this.#config.leastBytes) ? 'good' : 'refused'
  }

  /** Whether so many bytes may be read for the peer; then they count. */
  read(peer: Peer, now: number, bytes: number): boolean {
    // a peer that has used up its own share takes nothing from the others
    return this.#accountOf(peer).bytes.take(now, bytes) && this.#all.take(now, bytes)
  }

  #accountOf(peer: Peer): Account {
    const known = this.#accounts.get(peer)
    if (known !== undefined) return known
    const { questions, peerBytes } = this.#config
    const account: Account = { questions: new TokenBucket(questions), bytes: new TokenBucket(peerBytes) }
    this.#accounts.set(peer, account)
    return account
  }
}

import type { Rng } from '../../protocols/core/rng.ts'

/** Peers in clusters, each with the super-peers that index it, as Yang and Garcia-Molina (ICDE 2003) draw them. */
export interface Clusters {
  readonly peers: number
  /** Super-peers of each cluster. */
  readonly partners: number
  /** The peers of each cluster, its super-peers first. */
  readonly members: readonly Int32Array[]
  /** The cluster of each peer. */
  readonly clusterOf: Int32Array
}

/** What the peers of an instance share and how long they stay. */
export interface Population {
  /** Files of each peer. */
  readonly files: Float64Array
  /** How often a second each peer joins: one over its session. */
  readonly joinRates: Float64Array
}

/**
 * As many clusters as clusters of `size` make up all peers; how many clients each has is normal with a deviation of a fifth
 * of the mean (section 4 of the paper, recalled). A cluster's size counts its super-peers.
 */
export function drawClusters(peers: number, size: number, partners: number, rng: Rng): Clusters {
  const count = Math.max(1, Math.round(peers / size))
  const clients = peers - count * partners
  if (clients < 0) throw new RangeError(`${peers} peers are no ${count} clusters of ${partners} super-peers`)
  const shuffled = rng.sample(
    Array.from({ length: peers }, (_, peer) => peer),
    peers
  )
  const weights = Array.from({ length: count }, () => Math.max(0, 1 + 0.2 * normal(rng)))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const clusterOf = new Int32Array(peers)
  const members: Int32Array[] = []
  let upTo = 0
  let taken = 0
  for (const [cluster, weight] of weights.entries()) {
    upTo += weight
    const last = cluster === count - 1 ? clients : Math.round((upTo / total) * clients)
    const first = taken + cluster * partners
    const mine = Int32Array.from(shuffled.slice(first, last + (cluster + 1) * partners))
    for (const peer of mine) clusterOf[peer] = cluster
    members.push(mine)
    taken = last
  }
  return { peers, partners, members, clusterOf }
}

/** Share of peers without files, and quantiles of the others': Saroiu et al. 2002, 75 % share at most 100, 7 % over 1,000. */
const FREE_RIDERS = 0.25
const FILES = { mu: Math.log(33), sigma: 2.59 }
/** Where the law is cut off: its mean would be that of a few peers. With it a peer has about 200 files in the mean. */
const MOST_FILES = 2_000
/** The median session is an hour (Saroiu et al. 2002); the deviation makes about ten queries a join, as the paper has it. */
const SESSION_SECONDS = { mu: Math.log(3_600), sigma: 1.55, least: 60 }

/**
 * Files and sessions are the quantiles of their laws, dealt at random and independently: all populations of a size share
 * the same files. Both laws are log-normal here; the paper took measurements of Gnutella that were not published.
 */
export function drawPopulation(peers: number, rng: Rng): Population {
  const deal = (of: (u: number) => number): Float64Array =>
    Float64Array.from(
      rng.sample(
        Array.from({ length: peers }, (_, i) => of((i + 0.5) / peers)),
        peers
      )
    )
  const files = deal(u => {
    if (u <= FREE_RIDERS) return 0
    const z = normalQuantile((u - FREE_RIDERS) / (1 - FREE_RIDERS))
    return Math.min(MOST_FILES, Math.ceil(Math.exp(FILES.mu + FILES.sigma * z)))
  })
  const { mu, sigma, least } = SESSION_SECONDS
  const joinRates = deal(u => 1 / Math.max(least, Math.exp(mu + sigma * normalQuantile(u))))
  return { files, joinRates }
}

/** Box and Muller. */
function normal(rng: Rng): number {
  return Math.sqrt(-2 * Math.log1p(-rng.unit())) * Math.cos(2 * Math.PI * rng.unit())
}

/** The normal distribution's quantile to 4.5e-4 (Abramowitz and Stegun 26.2.23). */
function normalQuantile(u: number): number {
  if (u > 0.5) return -normalQuantile(1 - u)
  const t = Math.sqrt(-2 * Math.log(u))
  return (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3) - t
}

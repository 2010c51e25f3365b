import type { Clusters, Population } from './superpeer-clusters.ts'

/** What a cluster answers to a query that reaches it, in the mean of all queries. */
export interface Answers {
  /** Probability that it answers at all: a response is one message. */
  readonly messages: Float64Array
  /** Peers of the cluster with results: the addresses in a response. */
  readonly addresses: Float64Array
  readonly results: Float64Array
}

/**
 * The redesign's 270 results come from the 3,000 peers that the design asks for (both recalled): so many a peer reached.
 * Nothing else of the query model is fitted.
 */
export const RESULTS_A_PEER = 270 / 3_000

/** Kinds of queries, equally frequent. */
const KINDS = 64
/** λf / λg of the paper of the query model: how much less the frequency of files falls than that of queries. Recalled. */
const FLATNESS = 4

/**
 * The query model of Yang and Garcia-Molina's *Comparing Hybrid Peer-to-Peer Systems* (VLDB 2001), recalled: a query of
 * kind j is asked with probability g(j) = e^(−j/λg)/λg, and a file answers it with probability f(j) = e^(−j/λf)/λf. At the
 * u-quantile of g that is f(0)·(1−u)^(λg/λf). f(0) follows from the results that a peer has in the mean.
 */
export function selectivities(filesOfAPeer: number, resultsOfAPeer = RESULTS_A_PEER): Float64Array {
  const shape = Float64Array.from({ length: KINDS }, (_, i) => (1 - (i + 0.5) / KINDS) ** (1 / FLATNESS))
  const mean = shape.reduce((sum, share) => sum + share, 0) / KINDS
  const first = filesOfAPeer === 0 ? 0 : resultsOfAPeer / filesOfAPeer / mean
  if (first >= 1) throw new RangeError(`${filesOfAPeer} files a peer are too few for ${resultsOfAPeer} results`)
  return shape.map(share => share * first)
}

/** Files of a cluster answer independently of each other. */
export function expectedAnswers({ members }: Clusters, { files }: Population, kinds: Float64Array): Answers {
  const logs = kinds.map(share => Math.log1p(-share))
  const known = new Map<number, number>()
  /** Probability that one of so many files answers. BOUNDED: one entry for each number of files there is */
  const any = (count: number): number => {
    let chance = known.get(count)
    if (chance === undefined) {
      chance = 1 - logs.reduce((sum, log) => sum + Math.exp(log * count), 0) / logs.length
      known.set(count, chance)
    }
    return chance
  }
  const share = kinds.reduce((sum, kind) => sum + kind, 0) / kinds.length
  const messages = new Float64Array(members.length)
  const addresses = new Float64Array(members.length)
  const results = new Float64Array(members.length)
  for (const [cluster, peers] of members.entries()) {
    let all = 0
    for (const peer of peers) {
      all += files[peer]!
      addresses[cluster]! += any(files[peer]!)
    }
    messages[cluster] = any(all)
    results[cluster] = all * share
  }
  return { messages, addresses, results }
}

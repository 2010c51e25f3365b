import type { Rng } from '../../protocols/core/rng.ts'
import { FloodTree } from './flood-tree.ts'
import type { Graph } from './graph.ts'
import { bytes, QUERY_LENGTH } from './paper-superpeer-costs.ts'
import { type Clusters, drawClusters } from './superpeer-clusters.ts'
import { randomRegular } from './topologies.ts'

/**
 * What given queries cost in a super-peer network of Yang and Garcia-Molina (ICDE 2003): their messages and sizes, with the
 * hits that there are and not those of their query model. It is what other networks are compared with on the same peers,
 * files and queries.
 */

export interface SuperNetwork {
  readonly clusters: Clusters
  /** The clusters' links. */
  readonly graph: Graph
  readonly ttl: number
}

/** The redesign of a Gnutella of 20,000 peers: clusters of 10, 18 neighbours for each super-peer, two hops. */
export const REDESIGN = { clusterSize: 10, outdegree: 18, ttl: 2, partners: 1 }

/** Every super-peer has the same number of neighbours, as rule 3 wants it: all of them when there are too few. */
export function redesign(peers: number, rng: Rng, changes: Partial<typeof REDESIGN> = {}): SuperNetwork {
  const { clusterSize, outdegree, ttl, partners } = { ...REDESIGN, ...changes }
  const clusters = drawClusters(peers, clusterSize, partners, rng)
  const count = clusters.members.length
  return { clusters, graph: randomRegular(count, Math.min(outdegree, count - 1), rng), ttl }
}

export interface Query {
  /** Who asks. */
  readonly from: number
  /** How many results each peer has that has some. Those of the asking peer itself are not looked for. */
  readonly hits: ReadonlyMap<number, number>
  /** Bytes of its text: the paper's 12 without. */
  readonly length?: number
}

/** Of one query. */
export interface QueryCost {
  /** Bytes on the wire, each counted once: the paper's sum of what comes in and what goes out is twice that. */
  queryBytes: number
  responseBytes: number
  queryMessages: number
  responseMessages: number
  /** Results that come to the asking peer, peers that have them, and hops of a response, the one to a client with them. */
  results: number
  holders: number
  hops: number
  peersReached: number
}

export interface WorkloadCost {
  /** In the mean of the queries; `hops` in that of the responses. */
  readonly query: QueryCost
  /** Bytes and messages of queries and responses together, a query. */
  readonly bytesPerQuery: number
  readonly messagesPerQuery: number
  /** Results found as a share of those that others have, and the same of peers that have some. 1 when there are none. */
  readonly recall: number
  readonly holderRecall: number
  /** Bytes of each super-peer, in and out together, a query: by cluster. Partners share them evenly. */
  readonly superBytes: Float64Array
}

/** Follows each query over the network's links. */
export function costOfWorkload({ clusters, graph, ttl }: SuperNetwork, queries: Iterable<Query>): WorkloadCost {
  const { clusterOf, members, partners } = clusters
  const tree = new FloodTree(graph)
  const all = noCost()
  const superBytes = new Float64Array(graph.size)
  let count = 0
  let responses = 0
  let possible = 0
  let possibleHolders = 0
  for (const { from, hits, length = QUERY_LENGTH } of queries) {
    count++
    const home = clusterOf[from]!
    const isClient = members[home]!.indexOf(from) >= partners
    tree.flood(home, ttl)
    const size = bytes.query(length)
    let copies = isClient ? 1 : 0
    superBytes[home]! += copies * size
    for (let i = 0; i < tree.reached; i++) {
      const cluster = tree.order[i]!
      copies += tree.sent(cluster)
      superBytes[cluster]! += (tree.sent(cluster) + tree.received[cluster]!) * size
      all.peersReached += members[cluster]!.length
    }
    all.queryMessages += copies
    all.queryBytes += copies * size
    /** BOUNDED: one entry for each cluster with hits */
    const answers = new Map<number, { addresses: number; results: number }>()
    for (const [peer, results] of hits) {
      if (peer === from || results === 0) continue
      possible += results
      possibleHolders++
      const cluster = clusterOf[peer]!
      if (tree.depth[cluster]! < 0) continue
      const answer = answers.get(cluster) ?? { addresses: 0, results: 0 }
      answer.addresses++
      answer.results += results
      answers.set(cluster, answer)
    }
    for (const [cluster, { addresses, results }] of answers) {
      const response = bytes.response(1, addresses, results)
      let hops = 0
      for (let at = cluster; at !== home; at = tree.parent[at]!) {
        superBytes[at]! += response
        superBytes[tree.parent[at]!]! += response
        hops++
      }
      if (isClient) {
        superBytes[home]! += response
        hops++
      }
      all.responseMessages += hops
      all.responseBytes += hops * response
      all.results += results
      all.holders += addresses
      all.hops += hops
      responses++
    }
  }
  if (count === 0) throw new RangeError('no queries')
  const { hops, ...sums } = all
  const query = { ...noCost(), hops: responses === 0 ? 0 : hops / responses }
  for (const [name, sum] of Object.entries(sums)) query[name as keyof QueryCost] = sum / count
  return {
    query,
    bytesPerQuery: query.queryBytes + query.responseBytes,
    messagesPerQuery: query.queryMessages + query.responseMessages,
    recall: possible === 0 ? 1 : all.results / possible,
    holderRecall: possibleHolders === 0 ? 1 : all.holders / possibleHolders,
    superBytes: superBytes.map(sum => sum / partners / count)
  }
}

/**
 * Bytes, each counted once, that all clients send to hand their files' descriptions to their super-peers once. The paper
 * has about ten queries for each time that a peer joins.
 */
export function joinBytes(
  { clusters: { members, partners } }: SuperNetwork,
  filesOf: (peer: number) => number
): number {
  let sum = 0
  for (const mine of members) {
    for (const [i, peer] of mine.entries()) {
      sum += bytes.join(filesOf(peer)) * (i < partners ? partners - 1 : partners)
    }
  }
  return sum
}

function noCost(): QueryCost {
  return {
    queryBytes: 0,
    responseBytes: 0,
    queryMessages: 0,
    responseMessages: 0,
    results: 0,
    holders: 0,
    hops: 0,
    peersReached: 0
  }
}

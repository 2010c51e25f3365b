import { FloodTree } from './flood-tree.ts'
import type { Graph } from './graph.ts'
import { QUERY_RATE } from './paper-superpeer-costs.ts'
import type { Answers } from './superpeer-answers.ts'
import type { Clusters } from './superpeer-clusters.ts'

/** Queries and responses among clusters, a second, when each peer asks at the paper's rate. */
export interface Traffic {
  /** Copies of queries that each cluster receives from others, duplicates with them, and those that it sends. */
  readonly queriesIn: Float64Array
  readonly queriesOut: Float64Array
  /** Queries that it answers from its index: others' once each, and its own. */
  readonly processed: Float64Array
  /** Responses that it receives from others and that it sends or hands on to others. */
  readonly in: Answers
  readonly out: Answers
  /** All that its own queries bring, its own answers with it. */
  readonly brought: Answers
  /** Responses from other clusters, and their hops. */
  responses: number
  hops: number
  /** Clusters and peers reached by all queries together, those of the asking cluster with them. */
  clustersReached: number
  peersReached: number
}

function noTraffic(size: number): Traffic {
  const zeros = (): Float64Array => new Float64Array(size)
  const none = (): Answers => ({ messages: zeros(), addresses: zeros(), results: zeros() })
  return {
    queriesIn: zeros(),
    queriesOut: zeros(),
    processed: zeros(),
    in: none(),
    out: none(),
    brought: none(),
    responses: 0,
    hops: 0,
    clustersReached: 0,
    peersReached: 0
  }
}

const COLUMNS = ['messages', 'addresses', 'results'] as const

/** Follows the flood of each cluster's queries over the graph. */
export function floodTraffic(graph: Graph, ttl: number, { members }: Clusters, answers: Answers): Traffic {
  const traffic = noTraffic(graph.size)
  const tree = new FloodTree(graph)
  const { order, parent, depth, received } = tree
  // the columns of a node beside each other: nodes come in no order, and each access costs one line of the cache
  const own = new Float64Array(graph.size * 3)
  for (const [i, column] of COLUMNS.entries()) {
    for (const [node, value] of answers[column].entries()) own[3 * node + i] = value
  }
  /** What comes from a node and from behind it, of one query. */
  const behind = new Float64Array(own.length)
  const passed = new Float64Array(own.length)
  for (let source = 0; source < graph.size; source++) {
    const rate = members[source]!.length * QUERY_RATE
    tree.flood(source, ttl)
    let hops = 0
    let peers = 0
    for (let i = 0; i < tree.reached; i++) {
      const node = order[i]!
      traffic.queriesIn[node]! += rate * received[node]!
      traffic.queriesOut[node]! += rate * tree.sent(node)
      traffic.processed[node]! += rate
      peers += members[node]!.length
      hops += own[3 * node]! * depth[node]!
      for (let at = 3 * node; at < 3 * node + 3; at++) behind[at] = own[at]!
    }
    for (let i = tree.reached - 1; i > 0; i--) {
      const from = 3 * order[i]!
      const to = 3 * parent[order[i]!]!
      for (let at = 0; at < 3; at++) {
        const sum = behind[from + at]!
        passed[from + at]! += rate * sum
        behind[to + at]! += sum
      }
    }
    for (const [i, column] of COLUMNS.entries()) traffic.brought[column][source] = rate * behind[3 * source + i]!
    traffic.clustersReached += rate * tree.reached
    traffic.peersReached += rate * peers
    traffic.hops += rate * hops
    traffic.responses += rate * (behind[3 * source]! - own[3 * source]!)
  }
  for (const [i, column] of COLUMNS.entries()) {
    for (let node = 0; node < graph.size; node++) {
      const sent = passed[3 * node + i]!
      traffic.out[column][node] = sent
      // what a node sends or keeps is its own or came in
      traffic.in[column][node] = sent + traffic.brought[column][node]! - traffic.processed[node]! * own[3 * node + i]!
    }
  }
  return traffic
}

/** The same when all clusters are linked with each other and a query goes one hop: a sum, without a graph of n² links. */
export function completeTraffic({ members }: Clusters, answers: Answers): Traffic {
  const size = members.length
  const traffic = noTraffic(size)
  const rates = members.map(mine => mine.length * QUERY_RATE)
  const allRates = rates.reduce((sum, rate) => sum + rate, 0)
  for (const [node, rate] of rates.entries()) {
    traffic.queriesIn[node] = allRates - rate
    traffic.queriesOut[node] = rate * (size - 1)
    traffic.processed[node] = allRates
    traffic.responses += (allRates - rate) * answers.messages[node]!
    traffic.peersReached += allRates * members[node]!.length
  }
  traffic.hops = traffic.responses
  traffic.clustersReached = allRates * size
  for (const column of COLUMNS) {
    const own = answers[column]
    const all = own.reduce((sum, value) => sum + value, 0)
    for (const [node, rate] of rates.entries()) {
      traffic.out[column][node] = (allRates - rate) * own[node]!
      traffic.in[column][node] = rate * (all - own[node]!)
      traffic.brought[column][node] = rate * all
    }
  }
  return traffic
}

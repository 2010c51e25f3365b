import { degreeOf, type Graph } from './graph.ts'
import { bytes, QUERY_RATE, UPDATE_RATE, units } from './paper-superpeer-costs.ts'
import type { Answers } from './superpeer-answers.ts'
import type { Clusters, Population } from './superpeer-clusters.ts'
import { completeTraffic, floodTraffic, type Traffic } from './superpeer-traffic.ts'

/**
 * The analysis of B. Yang and H. Garcia-Molina, *Designing a Super-Peer Network* (ICDE 2003), as the paper did it: no
 * machines, but the expected cost of every action, summed over a topology and charged to who sends, receives and processes
 * it. A query floods the super-peers, duplicates are received and dropped, and each response goes back as one message along
 * the way that the query came.
 */
export interface Instance {
  readonly clusters: Clusters
  readonly population: Population
  readonly answers: Answers
  /** Who is linked with whom among the clusters; `complete` is all with all, one hop. */
  readonly topology: { readonly graph: Graph; readonly ttl: number } | 'complete'
}

export interface Load {
  /** Bytes a second, in and out together. */
  bandwidth: number
  /** Units a second. */
  processing: number
}

export interface Loads {
  /** All peers together: every byte is counted where it is sent and where it is received. */
  readonly aggregate: Load
  /** Of one super-peer of each cluster: its partners share the work evenly. */
  readonly supers: readonly Load[]
  /** Results of a query. */
  readonly results: number
  /** Clusters and peers that a query reaches, those of its own cluster with them. */
  readonly clustersReached: number
  readonly peersReached: number
  /** Copies of a query among super-peers. */
  readonly queryMessages: number
  /** Hops of a response from another cluster. */
  readonly path: number
}

export function loadsOf({ clusters, population, answers, topology }: Instance): Loads {
  const { members, partners } = clusters
  const traffic =
    topology === 'complete'
      ? completeTraffic(clusters, answers)
      : floodTraffic(topology.graph, topology.ttl, clusters, answers)
  const asked = clusters.peers * QUERY_RATE
  const aggregate = noLoad()
  const supers: Load[] = []
  let results = 0
  for (const [cluster, mine] of members.entries()) {
    const degree = topology === 'complete' ? members.length - 1 : degreeOf(topology.graph, cluster)
    const server = noLoad()
    const clients = noLoad()
    chargeQueries(server, clients, traffic, answers, cluster, mine.length, partners)
    for (const [i, peer] of mine.entries()) {
      const isClient = i >= partners
      chargeUpkeep(server, clients, isClient, partners, population.files[peer]!, population.joinRates[peer]!)
    }
    // each partner has a connection to each partner of the neighbours, to each client and to the other partners
    const open = partners * degree + (mine.length - partners) + partners - 1
    const [serving, asking] = [loadOf(server, open), loadOf(clients, partners)]
    aggregate.bandwidth += serving.bandwidth + asking.bandwidth
    aggregate.processing += serving.processing + asking.processing
    supers.push({ bandwidth: serving.bandwidth / partners, processing: serving.processing / partners })
    results += traffic.processed[cluster]! * answers.results[cluster]!
  }
  return {
    aggregate,
    supers,
    results: results / asked,
    clustersReached: traffic.clustersReached / asked,
    peersReached: traffic.peersReached / asked,
    queryMessages: traffic.queriesOut.reduce((sum, count) => sum + count, 0) / asked,
    path: traffic.responses === 0 ? 0 : traffic.hops / traffic.responses
  }
}

/** What is charged to some peers, before the connections over which their messages come and go are looked after. */
interface Account extends Load {
  messages: number
}

function noLoad(): Account {
  return { bandwidth: 0, processing: 0, messages: 0 }
}

function loadOf({ bandwidth, processing, messages }: Account, connections: number): Load {
  return { bandwidth, processing: processing + messages * connections * units.multiplex }
}

function charge(account: Account, messages: number, bandwidth: number, processing: number): void {
  account.messages += messages
  account.bandwidth += bandwidth
  account.processing += processing
}

/** Queries and responses of a cluster: to its super-peers together and to its clients together. */
function chargeQueries(
  server: Account,
  clients: Account,
  traffic: Traffic,
  answers: Answers,
  cluster: number,
  size: number,
  partners: number
): void {
  const asked = (size - partners) * QUERY_RATE
  const [queriesIn, queriesOut] = [traffic.queriesIn[cluster]! + asked, traffic.queriesOut[cluster]!]
  charge(clients, asked, asked * bytes.query(), asked * units.sendQuery)
  charge(server, queriesIn, queriesIn * bytes.query(), queriesIn * units.receiveQuery)
  charge(server, queriesOut, queriesOut * bytes.query(), queriesOut * units.sendQuery)
  const processed = traffic.processed[cluster]!
  server.processing += units.processQuery(processed, processed * answers.results[cluster]!)
  const receive = (account: Account, [messages, addresses, results]: Response): void =>
    charge(
      account,
      messages,
      bytes.response(messages, addresses, results),
      units.receiveResponse(messages, addresses, results)
    )
  const send = (account: Account, [messages, addresses, results]: Response): void =>
    charge(
      account,
      messages,
      bytes.response(messages, addresses, results),
      units.sendResponse(messages, addresses, results)
    )
  receive(server, responseOf(traffic.in, cluster, 1))
  send(server, responseOf(traffic.out, cluster, 1))
  // a client gets each response to its queries, one message after the other
  const toClients = responseOf(traffic.brought, cluster, (size - partners) / size)
  send(server, toClients)
  receive(clients, toClients)
}

type Response = readonly [messages: number, addresses: number, results: number]

function responseOf({ messages, addresses, results }: Answers, cluster: number, share: number): Response {
  return [messages[cluster]! * share, addresses[cluster]! * share, results[cluster]! * share]
}

/** Joins and updates of one peer: a client tells each super-peer of its cluster, a super-peer its partners. */
function chargeUpkeep(
  server: Account,
  clients: Account,
  isClient: boolean,
  partners: number,
  files: number,
  joins: number
): void {
  const told = isClient ? partners : partners - 1
  const from = isClient ? clients : server
  charge(from, told * joins, told * joins * bytes.join(files), told * joins * units.sendJoin(files))
  charge(server, told * joins, told * joins * bytes.join(files), told * joins * units.receiveJoin(files))
  const updates = told * UPDATE_RATE
  charge(from, updates, updates * bytes.update, updates * units.sendUpdate)
  charge(server, updates, updates * bytes.update, updates * units.receiveUpdate)
  // each super-peer of the cluster has the index, of its own files as of others'
  server.processing += partners * (joins * units.processJoin(files) + UPDATE_RATE * units.processUpdate)
}

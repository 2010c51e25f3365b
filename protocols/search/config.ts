/** How this node takes part. Durations in ms, sizes in bytes, rates a second. */
export interface SearchConfig {
  /** Hops a query of ours travels when nothing else is said. Gnutella 0.4 clients used 7. */
  ttl: number
  /** Hops that any query may travel in all, whatever its sender wrote. */
  maxTtl: number
  /**
   * How long a node waits for the reports of its neighbours, for each hop that is left below it. It covers one round
   * trip, so that whoever is above hears of a lost branch before it gives up itself.
   */
  hopMs: number
  /** How long a query's way back is remembered. */
  pathMs: number
  /** Longest that a search of ours may run, whatever was asked for. */
  maxTimeoutMs: number
  /** Searches of ours that run at once; one more ends at once. */
  maxSearches: number
  /** Holders whose hits one search of ours takes. */
  maxHolders: number
  /** Bytes of hits that one search of ours takes from the network. */
  maxSearchBytes: number
  /** Queries of others that are remembered. Never full while each of 6 neighbours sends as much as `queries` allows. */
  maxPaths: number
  /** Bytes of hits that are passed back for one query. */
  maxPathBytes: number
  /** Queries of one neighbour that are answered and passed on: see share.ts. */
  queries: { rate: number; burst: number }
  /** Bytes of hits that one neighbour may send. */
  hitBytes: { rate: number; burst: number }
  /**
   * Queries that one peer may send at all before it is penalised: more than what an honest node with 10 neighbours
   * passes on when each of them sends as much as `queries` allows.
   */
  arrivals: { rate: number; burst: number }
  /** Hits and reports of one peer that belong to no query sent to it; an honest peer's may come too late. */
  strays: { rate: number; burst: number }
}

export const searchConfig: SearchConfig = {
  ttl: 7,
  maxTtl: 7,
  hopMs: 1_000,
  pathMs: 60_000,
  maxTimeoutMs: 600_000,
  maxSearches: 64,
  maxHolders: 4_096,
  maxSearchBytes: 8 * 1024 * 1024,
  maxPaths: 8_192,
  maxPathBytes: 1024 * 1024,
  queries: { rate: 20, burst: 160 },
  hitBytes: { rate: 512 * 1024, burst: 4 * 1024 * 1024 },
  arrivals: { rate: 200, burst: 2_000 },
  strays: { rate: 20, burst: 1_000 }
}

/** What a message may hold. Part of the protocol: a peer that goes beyond it is penalised. */
export const searchLimits = {
  maxTextBytes: 256,
  maxNameBytes: 1_024,
  /** Hits of one holder for one query, and in one message. */
  maxHits: 100,
  /** Largest file: a PiB. */
  maxSize: 2 ** 50,
  /** Largest message; hits that need more are cut into several. */
  maxMessageBytes: 16 * 1024,
  /** What the hits in one message may take, so that the longest name of a holder fits beside them. */
  maxHitsBytes: 15_000,
  /** Larger numbers in a report count as these. */
  maxReportedPeers: 1_000_000,
  maxReportedMessages: 100_000_000,
  /** Searches of ours whose late hits are still told from strays. */
  maxRemembered: 256,
  /** Peers that an account is kept of; more than libp2p has connections. */
  maxShares: 1_024
}

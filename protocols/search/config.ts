/** How this node takes part. Durations in ms, sizes in bytes, rates a second. */
export interface SearchConfig {
  /** Hops a flood travels when nothing else is said, and the most that any may. Gnutella 0.4 clients used 7. */
  maxTtl: number
  /** The same for walks. The walkers of Lv et al. (ICS 2002) run up to 1,024 steps in all. */
  maxWalk: number
  /** Query messages that a search of ours may cost when nothing else is said. */
  budget: number
  /** The most that any query may, whatever its sender wrote. */
  maxBudget: number
  /**
   * A flood of so many is spent without a thought: in a network where it reaches everybody, nothing else is as quick
   * and as certain. What it says of the network decides how a search goes on.
   */
  cheapFlood: number
  /** Walkers of a search of ours. Lv et al. recommend 16 to 64 without an index. */
  walkers: number
  /** Holders that are enough for a walk when nothing else is said. */
  want: number
  /** How long what the last flood said of the network is believed. */
  reachMs: number
  /** How long a search of ours waits for answers when nothing else is said. */
  timeoutMs: number
  /** How far summaries reach: 3, or less; 0 for none. */
  summaryHops: number
  /** A neighbour is told of changes no more often than this, */
  summaryMs: number
  /** and about so long after the first of them, so that those that come together are told together. */
  summarySettleMs: number
  /**
   * How long a node waits for the reports of its neighbours, for each hop that is left below it. It covers one round
   * trip, so that whoever is above hears of a lost branch before it gives up itself.
   */
  hopMs: number
  /** How long a query's way back is remembered. */
  pathMs: number
  /** Longest that a search of ours may run, whatever was asked for. */
  maxTimeoutMs: number
  /** Searches that run here at once, of this node and of those that it searches for: one more needs another's place. */
  maxSearches: number
  /** Holders that this node names in one answer, and bytes of their hits: a random choice of them when there are more. */
  maxAnswerHolders: number
  maxAnswerBytes: number
  /** Holders whose hits one search of ours takes from one neighbour. */
  maxHolders: number
  /** Bytes of hits that one search of ours takes from one neighbour. */
  maxSearchBytes: number
  /** Queries of others that are remembered. Never full while each of 27 neighbours sends as much as `queries` allows. */
  maxPaths: number
  /** Bytes of hits that are passed back for one query. */
  maxPathBytes: number
  /** Queries of one neighbour that are answered and passed on: see share.ts. */
  queries: { rate: number; burst: number }
  /** Summaries of one neighbour. */
  summaries: { rate: number; burst: number }
  /** Bytes of hits that one neighbour may send. */
  hitBytes: { rate: number; burst: number }
  /**
   * Queries that one peer may send at all before it is penalised: more than what an honest node with 32 neighbours
   * passes on when each of them sends as much as `queries` allows.
   */
  arrivals: { rate: number; burst: number }
  /** Hits and reports of one peer that belong to no query sent to it; an honest peer's may come too late. */
  strays: { rate: number; burst: number }
}

export const searchConfig: SearchConfig = {
  maxTtl: 7,
  maxWalk: 128,
  budget: 2_000,
  maxBudget: 10_000,
  cheapFlood: 256,
  walkers: 8,
  want: 32,
  reachMs: 300_000,
  timeoutMs: 10_000,
  summaryHops: 3,
  summaryMs: 60_000,
  summarySettleMs: 1_000,
  hopMs: 1_000,
  pathMs: 60_000,
  maxTimeoutMs: 600_000,
  maxSearches: 256,
  maxAnswerHolders: 256,
  maxAnswerBytes: 256 * 1024,
  maxHolders: 1_024,
  maxSearchBytes: 2 * 1024 * 1024,
  maxPaths: 32_768,
  maxPathBytes: 1024 * 1024,
  queries: { rate: 20, burst: 160 },
  summaries: { rate: 0.1, burst: 20 },
  hitBytes: { rate: 512 * 1024, burst: 4 * 1024 * 1024 },
  arrivals: { rate: 640, burst: 6_400 },
  strays: { rate: 20, burst: 1_000 }
}

/** What a message may hold. Part of the protocol: a peer that goes beyond it is penalised. */
export const searchLimits = {
  maxTextBytes: 256,
  maxNameBytes: 1_024,
  /** Hits of one holder for one query, and in one message. */
  maxHits: 100,
  /** Holders in one message. */
  maxHoldersInMessage: 64,
  /** Most that a holder takes there: its name, a signed record of at most a KiB, and the hops. */
  maxHolderBytes: 2 + 64 + 2 + 1_024 + 1,
  /** Largest file: a PiB. */
  maxSize: 2 ** 50,
  /** Holders that a query can want, and that are counted on the way back. */
  maxWant: 255,
  /** Largest message of hits, when the longest names of the holders are in it; those that need more are several. */
  maxHitsMessageBytes: 64 * 1024,
  /** Largest of any other but a summary. */
  maxMessageBytes: 2 * 1024,
  /** Largest summary. */
  maxSummaryBytes: 80 * 1024,
  /** Largest filter for each hop. Together 64 KiB from each neighbour. */
  summaryBits: [2 ** 18, 2 ** 17, 2 ** 17] as readonly number[],
  /** A filter with a larger share of its bits set says nothing. */
  summaryDensity: 0.6,
  /** A summary is not followed any more when, of so many matches that it showed, */
  summaryTrials: 32,
  /** less than this share had a hit behind it: some it has through keys of several files, most would be lies. */
  summaryPrecision: 0.05,
  /** Matches that are judged by at most. */
  summaryMemory: 256,
  /** Larger numbers in a report count as these. */
  maxReportedPeers: 1_000_000,
  maxReportedMessages: 100_000_000,
  /** Searches of ours whose late hits are still told from strays. */
  maxRemembered: 1_024,
  /** Peers that an account is kept of; more than libp2p has connections. */
  maxShares: 1_024
}

/** What one node settles for itself: how it keeps accounts for others, and how it announces to others. */
export interface TrackerConfig {
  /** How often a peer is told to announce. BEP 3 leaves it to the tracker; public ones say 30 min, a LAN can afford more. */
  intervalMs: number
  /** How often it may at most, when it needs more peers. */
  minIntervalMs: number
  /**
   * How long a peer is kept whose connection is lost. Longer than it takes to find that out, to wait `reconnectMs` and to
   * dial, so that a peer whose connection was only closed is never missing.
   */
  graceMs: number
  /** Accounts of this node. Its own swarms are always kept; they count. */
  maxSwarms: number
  /** Accounts that one other peer may be in. */
  maxSwarmsPerPeer: number
  maxPeersPerSwarm: number
  /** Entries of all accounts together, about 250 bytes each. */
  maxEntries: number

  /** How many peers are asked for. */
  numWant: number
  /** How long a tracker may take to answer; a dial is part of it. */
  answerMs: number
  /** How long a tracker that failed is left alone, ± a quarter; doubles with every failure in a row. */
  retryFirstMs: number
  retryLastMs: number
  /** Shortest time between two announces to one tracker that are due to a lost or a new connection. */
  reconnectMs: number
  /** Intervals that trackers tell are brought into these bounds. */
  shortestIntervalMs: number
  longestIntervalMs: number
  shortestMinIntervalMs: number
}

export const trackerConfig: TrackerConfig = {
  intervalMs: 5 * 60_000,
  minIntervalMs: 15_000,
  graceMs: 30_000,
  maxSwarms: 4_096,
  maxSwarmsPerPeer: 256,
  maxPeersPerSwarm: 4_096,
  maxEntries: 65_536,
  numWant: 50,
  answerMs: 15_000,
  retryFirstMs: 5_000,
  retryLastMs: 5 * 60_000,
  reconnectMs: 10_000,
  shortestIntervalMs: 30_000,
  longestIntervalMs: 60 * 60_000,
  shortestMinIntervalMs: 5_000
}

/** What the wire allows and a stranger can make this node do or hold. */
export const trackerLimits = {
  /** Peers in one answer. With the largest addresses (1,024 bytes each) it stays below the driver's frame of 64 KiB. */
  maxPeersInReply: 50,
  /** Swarms in one scrape. */
  maxScrapeSwarms: 64,
  /** Announces of one peer that are carried out: all its swarms at once, then a few. Beyond: refused. */
  announces: { rate: 4, burst: 300 },
  /** Refusals for announcing too often that one peer is told. Beyond: penalised. */
  refusals: { rate: 1, burst: 60 },
  /** Scrapes of one peer. Beyond: ignored. */
  scrapes: { rate: 2, burst: 40 },
  /** Peers that rates are kept of. */
  maxRates: 1_024,
  /** Peers that are remembered to have completed a swarm, of all swarms; the oldest are forgotten. */
  maxCompletions: 65_536,

  /** Trackers of one swarm that are used: the metainfo that names them comes from strangers. */
  maxTrackers: 32,
  /** Our own announces to one tracker: less than it allows. */
  ownAnnounces: { rate: 2, burst: 200 },
  /** Trackers whose pace is kept. */
  maxPaced: 256,
  /** Trackers that we wait for the answer to a scrape of; the oldest are given up. */
  maxScrapes: 256
}

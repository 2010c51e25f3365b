/** Saved searches. Durations in ms, sizes in bytes. */
export interface WatchConfig {
  everyMs: number
  /** Between two runs of any two watches of this node: many watches are no reason to flood the network. */
  gapMs: number
  /** How soon a new neighbour is asked; up to twice as late, so that those who meet it do not all ask at once. */
  soonMs: number
  /** A watch is not run again sooner than this, however many neighbours come. */
  againMs: number
  /** How long a run waits for answers. */
  searchMs: number
  /** A fetch that gets nothing new for so long makes room for another. */
  stalledMs: number
  /** Before a fetch that failed is tried again, times the number of tries. */
  retryMs: number
  maxTries: number
  /** Fetches at once, of all watches and of one. */
  maxFetches: number
  maxFetchesOfOne: number
  /** Of a disk that is left free: the larger of the two. */
  minFreeBytes: number
  minFreeShare: number
}

export const watchConfig: WatchConfig = {
  everyMs: 5 * 60_000,
  gapMs: 5_000,
  soonMs: 1_000,
  againMs: 30_000,
  searchMs: 10_000,
  stalledMs: 120_000,
  retryMs: 10 * 60_000,
  maxTries: 5,
  maxFetches: 4,
  maxFetchesOfOne: 2,
  minFreeBytes: 1_000_000_000,
  minFreeShare: 0.05
}

export const watchLimits = {
  leastEveryMs: 60_000,
  mostEveryMs: 7 * 24 * 60 * 60_000,
  defaultMaxBytes: 10_000_000_000,
  maxWatches: 100,
  /** Files that are remembered for one watch. Of those not fetched, what was not seen for longest goes. */
  maxFiles: 10_000,
  /** Files that one watch fetches in all. */
  maxFetched: 5_000,
  maxLatest: 20,
  maxReaders: 64
}

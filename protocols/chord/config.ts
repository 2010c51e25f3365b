/** Durations in ms. Numbers are ours unless a source is named. */
export interface ChordConfig {
  /** Successor list, r. ToN 2003 uses 20 for 1,000 nodes, 2 log2 N. */
  successors: number
  /** Longest and shortest wait between two stabilizations; it is drawn anew each time. ToN 2003 §VII: 15 to 45 s. */
  stabilizeMs: readonly [number, number]
  /** How soon after a failure, or a word that there is a nearer node; and after a node that had to be asked was busy. */
  stabilizeSoonMs: number
  /** Widest digit of a distance that has fingers, bits: 1 makes the fingers of the paper, in powers of two. */
  digitBits: number
  /** One finger is looked up anew in this time, ± a quarter; and while the table is new. */
  fingerMs: number
  firstFingerMs: number
  /** A peer of the random overlay is asked who owns our id, ± a quarter: if it is another node, there are two rings. */
  uniteMs: number
  /** How soon a node without a ring tries again to find one; doubles. */
  joinMs: number
  /** How long an answer may take, the dial included, before the question is asked again. */
  requestMs: number
  /** Questions about the ring that go unanswered, after which a node counts as failed. */
  attempts: number
  /** Nodes that one lookup asks at once when those asked before are slow. EpiChord uses 3. */
  parallel: number
  /** Shortest and longest time after which a lookup asks another node as well; between them by measured round trips. */
  hedgeMs: readonly [number, number]
  /** The same before anything was measured. */
  firstHedgeMs: number
  /** Routes without a common node, for whoever wants to find an owner although some nodes lie. */
  carefulRoutes: number
  /** How long a lookup may take. */
  lookupMs: number
  /** How long the hops of a lookup wait for its answer. After that the asker goes on by itself. */
  relayMs: number
  /** Arcs of the ring whose owners are remembered; 0 for none. */
  routes: number
  /** How long they are believed. */
  routeMs: number
}

export const chordConfig: ChordConfig = {
  successors: 16,
  stabilizeMs: [5_000, 15_000],
  stabilizeSoonMs: 100,
  digitBits: 6,
  fingerMs: 10_000,
  firstFingerMs: 250,
  uniteMs: 20_000,
  joinMs: 1_000,
  requestMs: 1_500,
  attempts: 3,
  parallel: 3,
  hedgeMs: [50, 1_000],
  firstHedgeMs: 300,
  carefulRoutes: 8,
  lookupMs: 20_000,
  relayMs: 3_000,
  routes: 128,
  routeMs: 60_000
}

/** What a stranger can make this node do or hold. */
export const chordLimits = {
  /** Peers named in one message, in each of its lists. */
  maxPeers: 32,
  /** Nodes nearer to the key that an answer to a lookup names, and nodes past it that may own it. */
  candidates: 4,
  owners: 8,
  /** Disjoint routes of one lookup. */
  maxRoutes: 8,
  /** Nodes that one lookup asks before it gives up. */
  maxAsked: 64,
  /** Hops of a lookup that is passed on. Base 16 needs 5 for a million nodes. */
  maxHops: 32,
  /** Lookups of our own at once; more wait for nothing and fail. */
  maxLookups: 1_024,
  /** Lookups of others that are passed on at once. */
  maxRelays: 1_024,
  /** Questions of our own under way. */
  maxQueries: 4_096,
  /** Hops that word of a foreign ring goes on. */
  maxUniteHops: 8,
  /** Peers that were lost and may be back. */
  maxLost: 16,
  /** Shortcut links. Goal 80 for a million nodes. */
  maxFingers: 80,
  /**
   * Lookups of one peer that are passed on, besides as many of all; beyond it they are answered with nothing, and it asks
   * by itself.
   */
  relays: { rate: 50, burst: 500 },
  /** Peers with a rate, of each kind. */
  maxRates: 256,
  /** All messages of one peer (driver): beyond it that peer is penalised and its stream ended. */
  messages: { rate: 100, burst: 1_000 },
  /** Notifications, hints and goodbyes of one peer: beyond it they are ignored. */
  notices: { rate: 2, burst: 20 },
  /** Words of a foreign ring that are followed, of all peers. */
  unites: { rate: 1, burst: 8 }
} as const

/** @throws RangeError on numbers that do not fit together */
export function checkChordConfig(config: ChordConfig): ChordConfig {
  const { successors, digitBits, parallel, attempts, stabilizeMs, hedgeMs } = config
  if (!(Number.isInteger(successors) && successors >= 1 && successors <= chordLimits.maxPeers)) {
    throw new RangeError(`successors ${successors} is not in 1..${chordLimits.maxPeers}`)
  }
  if (!(Number.isInteger(digitBits) && digitBits >= 1 && digitBits <= 6)) {
    throw new RangeError(`digitBits ${digitBits} is not in 1..6`)
  }
  if (!(parallel >= 1 && attempts >= 1)) throw new RangeError('parallel and attempts are at least 1')
  if (stabilizeMs[0] > stabilizeMs[1] || hedgeMs[0] > hedgeMs[1]) throw new RangeError('a range ends before it begins')
  return config
}

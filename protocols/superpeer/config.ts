/** How this node takes part. Durations in ms, sizes in bytes, rates a second. Ours unless a source is named. */
export interface SuperPeerConfig {
  /** Signed with everything, so that what is said in one network says nothing in another. At most 64 bytes of UTF-8. */
  network: string
  /** Super-peers that a client has: two so that none is missed when it dies, one more so that it need not hurry. */
  supers: number
  /** Peers below which nobody volunteers: where a flood reaches everybody, nothing else is as quick and as certain. */
  minPopulation: number
  /** Time between two rounds of the election, ± a quarter. */
  electionMs: number
  /** Shortest time as a super-peer before one steps back. */
  tenureMs: number
  /** How long a super-peer must have had few clients. */
  idleMs: number
  /** How long one that steps back still serves, so that its clients find others first. */
  steppingMs: number
  /** Strength that is asked for at first; falls by `barStep` with each round in which nobody volunteered. */
  bar: number
  barStep: number
  /** Clients that a super-peer takes to begin with, at least, and at most. Gnutella's had 30 to 100. */
  slots: number
  minSlots: number
  maxSlots: number
  /** Load above which slots are taken away, below which they are added, above which a super-peer steps back. */
  highLoad: number
  lowLoad: number
  overload: number
  /** How long an advert is believed, and how often a super-peer says it anew. */
  advertMs: number
  advertEveryMs: number
  /** How often the freshest adverts are told to somebody, ± a quarter. */
  gossipMs: number
  /** How soon one that misses super-peers asks for adverts; doubles to the last while nothing new comes. */
  seekMs: number
  seekLastMs: number
  /** How long an answer to `attach`, to a ping or to a question about a catalogue may take, a dial included. */
  requestMs: number
  /** How long a super-peer that refused is not asked again; one that failed likewise, doubling each time. */
  refusedMs: number
  /** At rest a client asks each of its super-peers so rarely whether it is there, ± a quarter. */
  pingMs: number
  /** Fewer than two super-peers for so long bring a client back into the overlay. */
  restGraceMs: number
  /** Two, where there could be more, are enough for rest after so long. */
  restSettleMs: number
  /** Life of a signed head; it is renewed at half of it. */
  headMs: number
  /** A changed catalogue is published no more often than this, */
  publishMs: number
  /** and so long after the first change. */
  settleMs: number
  /** A client that is gone for so long is not answered for any more, and its slot is free. */
  goneMs: number
  /** What all catalogues here may take. */
  maxStoredItems: number
  maxStoredBytes: number
  /** When a second super-peer is asked even if the first has not finished; and when one that is silent is given up. */
  secondMs: number
  silentMs: number
  /** Share of the budget of a search that the second one gets. */
  secondShare: number
  /** How long a search runs when nothing else is said, what it may cost, how many holders and hits are enough. */
  timeoutMs: number
  budget: number
  want: number
  limit: number
  /** Hits that come together are told together. */
  batchMs: number
  /** How long a super-peer whose score is too low is avoided. */
  avoidMs: number
}

export const superPeerConfig: SuperPeerConfig = {
  network: '',
  supers: 3,
  minPopulation: 32,
  electionMs: 10_000,
  tenureMs: 600_000,
  idleMs: 600_000,
  steppingMs: 30_000,
  bar: 0.8,
  barStep: 0.1,
  slots: 32,
  minSlots: 8,
  maxSlots: 512,
  highLoad: 0.7,
  lowLoad: 0.3,
  overload: 0.9,
  advertMs: 600_000,
  advertEveryMs: 120_000,
  gossipMs: 60_000,
  seekMs: 2_000,
  seekLastMs: 60_000,
  requestMs: 5_000,
  refusedMs: 30_000,
  pingMs: 300_000,
  restGraceMs: 10_000,
  restSettleMs: 60_000,
  headMs: 3_600_000,
  publishMs: 15_000,
  settleMs: 1_000,
  goneMs: 120_000,
  maxStoredItems: 1_000_000,
  maxStoredBytes: 256 * 1024 * 1024,
  secondMs: 1_500,
  silentMs: 3_000,
  secondShare: 0.25,
  timeoutMs: 10_000,
  budget: 2_000,
  want: 32,
  limit: 100,
  batchMs: 100,
  avoidMs: 6 * 3_600_000
}

/** What a stranger can make this node do or hold; what a message may hold is part of the protocol. */
export const superPeerLimits = {
  /** Items of a catalogue, and what they take as `itemBytes` counts. */
  maxItems: 20_000,
  maxCatalogueBytes: 4 * 1024 * 1024,
  /** Items that lie in a bucket, about: a change costs no more than to look at so many. */
  bucketItems: 16,
  /** 2,048 buckets. */
  maxBits: 11,
  /** Longest that a head may be valid. */
  maxHeadMs: 24 * 3_600_000,
  /** How far clocks may be apart. */
  skewMs: 600_000,
  maxSignatureBytes: 128,
  maxNetworkBytes: 64,
  /** What the items, or hits, in one message may take. */
  maxPartBytes: 40 * 1024,
  maxItemsInMessage: 1_024,
  /** Buckets of one question; what is sent for it at most. */
  maxBuckets: 16,
  maxBulkBytes: 768 * 1024,
  maxSiblings: 8,
  maxAdverts: 8,
  /** Super-peers that one may say that it misses, those that it has missed for long counted more. */
  maxMissing: 16,
  /** Hits that the first super-peer told, as the second one is told not to tell them again. */
  maxTold: 1_024,
  /** Known super-peers, and of them those that one peer told of. */
  maxKnown: 256,
  maxFromTeller: 64,
  /** Adverts of super-peers are remembered so long after they have run out, as a reserve. */
  reserveMs: 3_600_000,
  /** Share of the slots that clients of one group may have. */
  groupShare: 0.25,
  /** Catalogues that are fetched at once; others wait. */
  maxPulls: 16,
  /** Of one peer: adverts messages, requests for adverts, attachments, changes, asks. */
  adverts: { rate: 0.5, burst: 32 },
  seeks: { rate: 1, burst: 16 },
  attaches: { rate: 0.2, burst: 16 },
  updates: { rate: 0.2, burst: 16 },
  asks: { rate: 1, burst: 30 },
  pings: { rate: 0.1, burst: 10 },
  /** Bytes of catalogues that one peer may have us send, and all of them. */
  bulk: { rate: 256 * 1024, burst: 8 * 1024 * 1024 },
  allBulk: { rate: 4 * 1024 * 1024, burst: 64 * 1024 * 1024 },
  maxRates: 1_024,
  /** Asks that run at once for one client, and for all; of our own. */
  maxAsksOfClient: 8,
  maxAsks: 256,
  maxSearches: 64,
  /** What one ask may have: query messages, ms. */
  maxBudget: 2_000,
  maxTimeoutMs: 60_000,
  /** Holders and bytes of hits for one ask. */
  maxHolders: 1_024,
  maxAnswerBytes: 1024 * 1024,
  /** Hits of our own index for one ask. */
  maxIndexHits: 2_048,
  /** Searches whose hits can still be judged. */
  maxJudged: 64,
  /** Super-peers whose scores are kept, and that are avoided. */
  maxScores: 128,
  maxAvoided: 128,
  /** Judgements before a score counts; what it remembers, about. */
  minVerdicts: 8,
  minRecalls: 8,
  scoreMemory: 64,
  /** The same for all that a super-peer tells: one search brings many, and what is false comes in rows. */
  minTotalVerdicts: 128,
  totalMemory: 1_024,
  /** A super-peer is left when less than this share of what it told from its own index is true, */
  precisionBar: 0.7,
  /** or of all that it told, while another one keeps thrice that, */
  totalPrecisionBar: 0.2,
  /** or when two others show that it told less than this share of what there is. */
  recallBar: 0.5
}

/** @throws RangeError when other peers could not read our messages, or nothing would ever happen */
export function checkSuperPeerConfig(config: SuperPeerConfig): SuperPeerConfig {
  const { network, supers, slots, minSlots, maxSlots, headMs, secondShare } = config
  if (new TextEncoder().encode(network).byteLength > superPeerLimits.maxNetworkBytes) {
    throw new RangeError(`the name of a network has at most ${superPeerLimits.maxNetworkBytes} bytes`)
  }
  if (!(Number.isInteger(supers) && supers >= 1 && supers <= superPeerLimits.maxSiblings)) {
    throw new RangeError(`supers ${supers} is not in 1..${superPeerLimits.maxSiblings}`)
  }
  if (!(minSlots >= 1 && slots >= minSlots && maxSlots >= slots && maxSlots <= 0xffff)) {
    throw new RangeError(`slots ${slots} is not in ${minSlots}..${maxSlots}`)
  }
  if (!(headMs > 0 && headMs <= superPeerLimits.maxHeadMs)) throw new RangeError(`headMs ${headMs} is out of range`)
  if (!(secondShare > 0 && secondShare <= 1)) throw new RangeError(`secondShare ${secondShare} is not in (0, 1]`)
  for (const name of ['electionMs', 'advertEveryMs', 'gossipMs', 'seekMs', 'requestMs', 'pingMs'] as const) {
    if (!(config[name] > 0)) throw new RangeError(`${name} ${config[name]} is not above 0`)
  }
  return config
}

/** What one node settles for itself. Times in ms, sizes in bytes; numbers without a source are ours. */
export interface DirectoryConfig {
  /** Part of everything that is signed, so that an entry of one network is worth nothing in another. */
  network: string
  /** Nodes that keep an entry: the owner of its key and the successors after it. */
  copies: number
  /** How long an entry of ours counts; at most `directoryLimits.lifetimeMs`. It is renewed after about half of it. */
  lifetimeMs: number
  /** How long an entry of ours waits that found no place, ± a half: nobody could be reached, or it was refused. */
  retryMs: number
  refusedRetryMs: number
  /** Entries of ours, and how many of them are on their way at once. */
  maxPublished: number
  putsAtOnce: number
  /** Gets of the application at once. */
  maxGets: number

  /** How long the ring may take for a lookup, and a peer for an answer; a dial is part of it. */
  lookupMs: number
  requestMs: number
  /** How long an owner waits for its replicas before it answers a put. */
  replicateMs: number
  /** Puts look up the owner by several routes, and bring an entry to the replicas as well: some nodes may lie. */
  isCareful: boolean
  /** Lookups for one put or get, and the pause before the second of them; it doubles. */
  attempts: number
  pauseMs: number
  /** Replicas that are asked at once when the owner does not answer. */
  getParallel: number

  /** How often an owner compares its arc with each replica, ± a quarter. */
  compareMs: number
  /** How soon after its place on the ring has changed, ± a half; and again after a comparison that came to nothing. */
  settleMs: number
  recompareMs: number
  /** How long one comparison keeps those with the other replicas waiting, so that nothing is brought twice. */
  queueMs: number
  /** Longest that one comparison with all that it moves may take. */
  sessionMs: number
  /** How long after its arc has changed a node brings what lies outside of it to its owners; and how often. */
  restMs: number
  /** How long what does not belong here is kept at least. */
  graceMs: number
  sweepMs: number
  /** How often expired entries are looked for. */
  expireMs: number
  /** Longest that a node that leaves hands over. */
  leaveMs: number

  /** What this node keeps for others. */
  maxBytes: number
  maxEntries: number
  /** How full others can make it with copies of what they own: there is always room for what this node owns. */
  copiesShare: number
  /** Of these, for one publisher; entries of one key. */
  publisherBytes: number
  publisherEntries: number
  keyEntries: number

  /** Questions a second for one key, and the burst, beyond which it is hot. */
  hot: { rate: number; burst: number }
  /** Copies of hot keys of others: how long, and how much in all. */
  cacheMs: number
  cacheBytes: number
}

const MINUTE = 60_000
const MIB = 1024 * 1024

export const directoryConfig: DirectoryConfig = {
  network: 'shoal',
  copies: 4,
  lifetimeMs: 24 * 60 * MINUTE,
  retryMs: MINUTE,
  refusedRetryMs: 10 * MINUTE,
  maxPublished: 20_000,
  putsAtOnce: 16,
  maxGets: 256,
  lookupMs: 20_000,
  requestMs: 5_000,
  replicateMs: 2_000,
  isCareful: false,
  attempts: 4,
  pauseMs: 1_000,
  getParallel: 3,
  compareMs: 5 * MINUTE,
  settleMs: 1_000,
  recompareMs: 30_000,
  queueMs: 20_000,
  sessionMs: 10 * MINUTE,
  restMs: 10_000,
  graceMs: 15 * MINUTE,
  sweepMs: 5 * MINUTE,
  expireMs: MINUTE,
  leaveMs: 10_000,
  maxBytes: 64 * MIB,
  maxEntries: 200_000,
  copiesShare: 0.9,
  publisherBytes: 2 * MIB,
  publisherEntries: 4_000,
  keyEntries: 128,
  hot: { rate: 10, burst: 30 },
  cacheMs: MINUTE,
  cacheBytes: 4 * MIB
}

/** What the wire allows, and a stranger can make this node do or hold. Rates are per second. */
export const directoryLimits = {
  /** Largest payload of each kind. */
  valueBytes: 16 * 1024,
  memberBytes: 2 * 1024,
  ownBytes: 4 * 1024,
  maxNameBytes: 255,
  /** Of Ed25519. */
  maxSignatureBytes: 64,
  /** Longest that an entry may count, by its own times. */
  lifetimeMs: 24 * 60 * MINUTE,
  /** How far the clocks of two nodes may differ. */
  skewMs: 10 * MINUTE,

  maxEntriesInMessage: 64,
  /** A peer that is named on the network: its id of 64 bytes, its signed record of 1,024, and their lengths. */
  maxPeerBytes: 64 + 1_024 + 4,
  /** Entries of one message with all that is written with them. A frame has 64 KiB. */
  maxMessageBytes: 60 * 1024,
  /** Records that are listed in one message: more than a key may have, so that a list that is too long can be split. */
  maxListed: 256,
  maxParts: 16,
  /** Longest chain of splits: 16^8 is more than anyone has. */
  maxDepth: 8,

  /** Entries that one peer may have put. Beyond: refused. Our own keep below it, whoever they go to. */
  puts: { rate: 50, burst: 1_000 },
  ownPuts: { rate: 40, burst: 800 },
  /** Questions of one peer. Beyond: refused. */
  gets: { rate: 50, burst: 500 },
  /** Entries that one peer hands over in repair. Beyond: refused, and it goes on later. */
  pushes: { rate: 1_000, burst: 10_000 },
  /** Comparisons and pulls of one peer, and records that are read for them. Beyond: refused. */
  compares: { rate: 100, burst: 2_000 },
  scans: { rate: 20_000, burst: 400_000 },
  /** Copies of hot keys that one peer leaves here. Beyond: dropped. */
  caches: { rate: 1, burst: 10 },
  /** Refusals for asking too often that one peer is told. Beyond: penalised. */
  refusals: { rate: 10, burst: 200 },
  /** Peers that rates are kept of, and keys that are watched for being hot. */
  maxRates: 1_024,
  maxWatched: 1_024,
  /** Owners whose arcs this node keeps copies of: those nearest before it. A ring at rest has `copies - 1`. */
  maxClaims: 8,
  /** Answers that are waited for; the puts of all strangers are refused beyond the first half. */
  maxRequests: 2_048,
  maxLookups: 1_024,
  /** Commands of the application that wait for entries to be stored. */
  maxWaiting: 20_000,
  /** Successors in one answer of the ring that are looked at. */
  maxReplicas: 16,
  /** Expired or misplaced entries that one tick goes through. */
  maxSwept: 500
}

/** @throws RangeError on numbers that do not fit together */
export function checkDirectoryConfig(config: DirectoryConfig): DirectoryConfig {
  const { copies, lifetimeMs, keyEntries, network, attempts } = config
  if (!(Number.isInteger(copies) && copies >= 1 && copies <= directoryLimits.maxReplicas)) {
    throw new RangeError(`copies ${copies} is not in 1..${directoryLimits.maxReplicas}`)
  }
  if (!(lifetimeMs > 0 && lifetimeMs <= directoryLimits.lifetimeMs)) {
    throw new RangeError(`lifetimeMs ${lifetimeMs} is not in 1..${directoryLimits.lifetimeMs}`)
  }
  if (!(keyEntries >= 1 && keyEntries < directoryLimits.maxListed)) {
    throw new RangeError(`keyEntries ${keyEntries} is not in 1..${directoryLimits.maxListed - 1}`)
  }
  if (!(network.length >= 1 && network.length <= 64)) throw new RangeError('network is a name of 1 to 64 characters')
  if (!(attempts >= 1)) throw new RangeError(`attempts ${attempts} is not from 1 on`)
  return config
}

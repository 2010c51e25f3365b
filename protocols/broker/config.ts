/** What one node settles for itself. Times in ms, sizes in bytes; numbers without a source are ours. */
export interface BrokerConfig {
  /** Part of everything that is signed, so that an order of one network is worth nothing in another. */
  network: string
  /** Brokers of an item, and brokers that a host is registered with. */
  brokers: number

  /** How long an order lasts: copies outlive an absence of the owner of this length. It is renewed at a third of it. */
  lifetimeMs: number
  /** How often an owner shows its orders to their brokers again, ± a quarter. */
  refreshMs: number
  /** How long a broker may take for an answer, the dial included; and when an order that found none is tried again. */
  answerMs: number
  retryMs: number
  /** How long brokers may take for the answers to `recover`. */
  recoverMs: number

  /** How long a lease counts that is not renewed. It is renewed at a third of it. */
  leaseMs: number
  /** How long changes of leases are gathered before they are told. */
  gatherMs: number
  /** How often an offer is told again; it counts for three times as long. */
  offerMs: number
  /** Change of the used share of an offer that is told at once. */
  offerStep: number
  /** A fetch of which nothing was heard for so long has failed. */
  stallMs: number
  /** Attempts of a fetch, and the pause before the second of them; it doubles. */
  fetchAttempts: number
  fetchPauseMs: number
  /** Share of the offer that one owner may take. */
  ownerShare: number
  /** Longest that a host that leaves waits for others. */
  leaveMs: number

  /** How long a host may be out of reach before another copy is made. */
  graceMs: number
  /** How long the second broker waits for the first to do something, and the third for the second. */
  takeoverMs: number
  /** How long there must have been too many copies before one is released. */
  surplusMs: number
  /** How long a host may take to answer `place`. */
  placeMs: number
  /** Longest pause of an item that cannot be placed. It begins with `retryMs`/8 and doubles. */
  maxPauseMs: number
  /** How old what is known of other brokers' hosts may be before they are asked again; how long that may take. */
  roomMs: number
  roomAnswerMs: number
  /** Mean time between two audits of a broker; 0: none. */
  auditMs: number
  auditAnswerMs: number
  /** How long a host that failed an audit is not used. */
  distrustMs: number
  /** How long owners wait to hear of changes, so that one message tells of several. */
  statusMs: number
  sweepMs: number

  /** Orders that a broker keeps, and of these for one owner. */
  maxOrders: number
  ownerOrders: number
  /** Orders of this node as an owner. */
  maxOwned: number
  /** Items that a host takes. */
  maxHosted: number
  ownerHosted: number
  /** Fetches at once. Beyond: the host is busy. */
  maxFetching: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const brokerConfig: BrokerConfig = {
  network: 'shoal',
  brokers: 3,
  lifetimeMs: 90 * DAY,
  refreshMs: 6 * HOUR,
  answerMs: 15 * SECOND,
  retryMs: MINUTE,
  recoverMs: 10 * SECOND,
  leaseMs: HOUR,
  gatherMs: 100,
  offerMs: 10 * MINUTE,
  offerStep: 0.005,
  stallMs: 15 * MINUTE,
  fetchAttempts: 3,
  fetchPauseMs: 10 * SECOND,
  ownerShare: 0.8,
  leaveMs: 10 * MINUTE,
  graceMs: 10 * MINUTE,
  takeoverMs: 30 * SECOND,
  surplusMs: 30 * SECOND,
  placeMs: 15 * SECOND,
  maxPauseMs: 10 * MINUTE,
  roomMs: 30 * SECOND,
  roomAnswerMs: 2 * SECOND,
  auditMs: 10 * MINUTE,
  auditAnswerMs: 2 * MINUTE,
  distrustMs: 7 * DAY,
  statusMs: 500,
  sweepMs: 10 * MINUTE,
  maxOrders: 50_000,
  ownerOrders: 10_000,
  maxOwned: 10_000,
  maxHosted: 50_000,
  ownerHosted: 20_000,
  maxFetching: 64
}

/** What the wire allows, and a stranger can make this node do or hold. Rates are per second. */
export const brokerLimits = {
  maxCopies: 16,
  /** A pebibyte. */
  maxItemBytes: 2 ** 50,
  /** Longest that an order may last, by its own times. */
  lifetimeMs: 90 * DAY,
  /** How long the signature of a lease is worth something. It is renewed at half of it. */
  signedMs: DAY,
  /** How far the clocks of two nodes may differ. */
  skewMs: 10 * MINUTE,
  maxDomainBytes: 64,
  maxNameBytes: 1_024,
  /** Of Ed25519. */
  maxSignatureBytes: 64,

  /** Brokers that are known; brokers of an item that one message names; those that are remembered besides our own choice, at brokers and at hosts. */
  maxBrokers: 1_024,
  maxNamed: 6,
  maxHeard: 6,
  /** Longest that a broker waits for those before it, in turns. */
  maxTurn: 6,
  /** Leases of one item: those wanted, and as many that are surplus or out of reach. */
  maxLeases: 32,
  /** Leases in one message, and orders; each with its peers, at most 1,300 bytes, in a frame of 64 KiB. */
  maxBatch: 24,
  /** Leases shown to a host as a proof that it is not needed, and as sources. */
  maxShown: 16,
  maxSources: 4,
  /** Hosts whose offers are kept, those that only other brokers know, and offers in one message. */
  maxHosts: 4_096,
  maxHearsay: 256,
  maxOffers: 24,
  /** Brokers that are asked for the room of their hosts. */
  roomBrokers: 3,
  /** Hosts that are looked at for one copy, drawn at random. */
  maxCandidates: 256,
  /** Hosts that are tried for one copy before the item pauses. */
  maxTries: 8,
  maxAudits: 8,
  /** Peers that rates are kept of. */
  maxRates: 2_048,
  /** Orders that this node sends a second to brokers that are new to it. */
  ownSends: 40,

  /** Orders that one peer brings. Beyond: refused. */
  orders: { rate: 50, burst: 2_000 },
  /** Leases that one host tells, shown ones included. Beyond: not looked at. */
  leases: { rate: 200, burst: 20_000 },
  /** Offers, and questions for room. Beyond: dropped. */
  offers: { rate: 5, burst: 100 },
  /** Placements that one broker wants. Beyond: refused. */
  places: { rate: 20, burst: 500 },
  /** Questions of one owner. Beyond: not answered. */
  asks: { rate: 50, burst: 1_000 },
  /** Small messages of other kinds. Beyond: penalised. */
  others: { rate: 100, burst: 5_000 }
}

/** Half of those that a message can name: the others are those that somebody else takes for its brokers. */
const MAX_BROKERS = brokerLimits.maxNamed / 2

/** @throws RangeError on numbers that do not fit together */
export function checkBrokerConfig(config: BrokerConfig): BrokerConfig {
  const { brokers, lifetimeMs, ownerShare, network, leaseMs, graceMs, takeoverMs } = config
  if (!(Number.isInteger(brokers) && brokers >= 1 && brokers <= MAX_BROKERS)) {
    throw new RangeError(`brokers ${brokers} is not in 1..${MAX_BROKERS}`)
  }
  if (!(lifetimeMs > 0 && lifetimeMs <= brokerLimits.lifetimeMs)) {
    throw new RangeError(`lifetimeMs ${lifetimeMs} is not in 1..${brokerLimits.lifetimeMs}`)
  }
  if (!(ownerShare > 0 && ownerShare <= 1)) throw new RangeError(`ownerShare ${ownerShare} is not in 0..1`)
  if (!(network.length >= 1 && network.length <= 64)) throw new RangeError('network is a name of 1 to 64 characters')
  if (!(leaseMs > 0 && graceMs >= 0 && takeoverMs >= 0)) throw new RangeError('times are not below 0')
  return config
}

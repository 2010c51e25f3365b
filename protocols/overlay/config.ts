/** Numbers of HyParView (Leitão, Pereira, Rodrigues, DSN 2007, §5.1) unless something else is said. */
export interface OverlayConfig {
  /** Neighbours: the active view. */
  activeSize: number
  /** Peers to turn to when a neighbour is lost: the passive view. */
  passiveSize: number
  /** Peers that the passive view had no more room for: the last resort. Ours. */
  acquaintances: number
  /** Steps of the walk on which a newcomer is passed on (ARWL). */
  activeWalk: number
  /** Steps left at which a walker also leaves the newcomer in the passive view (PRWL). */
  passiveWalk: number
  /** Entries of the active and of the passive view in a shuffle (k_a, k_p). */
  shuffleActive: number
  shufflePassive: number
  /** Time between two shuffles, ± a quarter. The paper counts cycles. */
  shuffleMs: number
  /** A link is swapped once in so many shuffles of our own; the first ones sooner. Ours, to keep the graph random. */
  swapShuffles: number
  /** How long an answer to a neighbour request may take. A dial is part of it. */
  requestTimeoutMs: number
  /** How soon the active view is looked after again while it is not full; doubles while nobody is found. */
  repairMs: number
  /** Its longest wait, and the age from which on a neighbour is settled: one that goes sooner has had no room for us. */
  repairLastMs: number
  /** A neighbour that says nothing for so long is asked, and dropped when it says nothing for as long again. */
  silenceMs: number
  /**
   * How long a neighbour that took another's place is the first to give it up again, and the time in which only
   * `maxForced` others can be made to go. Ours, against capture.
   */
  settleMs: number
}

export const overlayConfig: OverlayConfig = {
  activeSize: 5,
  passiveSize: 30,
  acquaintances: 100,
  activeWalk: 6,
  passiveWalk: 3,
  shuffleActive: 3,
  shufflePassive: 4,
  shuffleMs: 10_000,
  swapShuffles: 64,
  requestTimeoutMs: 5_000,
  repairMs: 250,
  repairLastMs: 10_000,
  silenceMs: 30_000,
  settleMs: 300_000
}

/** What a stranger can make this node do or hold. */
export const overlayLimits = {
  /** Neighbours that a peer may be told to have. */
  maxActiveSize: 64,
  /** Places of the passive view for each neighbour, at least: half of the neighbours may go at once. */
  passiveForEach: 2,
  /** Peers of the passive view that are asked whether they rest for each that was found to, and most at a shuffle. */
  probesForEach: 4,
  maxProbes: 4,
  /** Peers that are remembered to rest. */
  maxResting: 512,
  /** Peers named in one message. */
  maxPeersInMessage: 16,
  maxWalk: 8,
  /** Neighbour requests under way at once, and the most of them while those that are asked turn out to be dead. */
  requestsAtOnce: 4,
  maxRequests: 16,
  /** Refusals in a row after which a peer that misses two neighbours asks for a link to be split. */
  refusalsBeforeSplit: 4,
  /** Joins, neighbour requests, swaps and questions whether we are there, of one peer: beyond it that peer is penalised. */
  requests: { rate: 2, burst: 20 },
  /** Newcomers that one neighbour passes on. What is passed on for others is dropped beyond the limit, no more. */
  walks: { rate: 10, burst: 100 },
  /** Newcomers of one neighbour's walks that are asked to be neighbours, which may take a dial. */
  newcomers: { rate: 1, burst: 10 },
  /** Peers to which one neighbour hands us over, which costs it its place. */
  handovers: { rate: 0.1, burst: 4 },
  /** Shuffles that one neighbour passes on or begins. */
  shuffles: { rate: 2, burst: 20 },
  /** Joins and walks of all peers together: dropped beyond it. */
  joins: { rate: 50, burst: 200 },
  /** Peers that each kind of rate is kept of. */
  maxRates: 256,
  /** Connected peers that are remembered as a last resort. */
  maxConnected: 512,
  /** How often the rest of the node is asked for contacts, and how many of them are taken. */
  contactsEveryMs: 60_000,
  maxContacts: 16
}

/** How many settled neighbours others can push out within `settleMs`. */
export function maxForced(activeSize: number): number {
  return Math.max(1, Math.floor(activeSize / 2))
}

/** How many neighbours of one group push out no others any more. */
export function maxOfGroup(activeSize: number): number {
  return Math.max(1, Math.floor(activeSize / 2))
}

/** Most entries that one neighbour told, of a list of this size. */
export function maxFromOneSource(size: number): number {
  return Math.max(1, Math.ceil(size / 3))
}

/** @throws RangeError on a number of neighbours that nobody has */
export function checkActiveSize(size: number): number {
  if (Number.isInteger(size) && size >= 1 && size <= overlayLimits.maxActiveSize) return size
  throw new RangeError(`activeSize ${size} is no whole number in 1..${overlayLimits.maxActiveSize}`)
}

/** @throws RangeError when other peers could not read our messages, or a view has no place */
export function checkOverlayConfig(config: OverlayConfig): OverlayConfig {
  const { activeSize, passiveSize, activeWalk, passiveWalk, shuffleActive, shufflePassive, settleMs } = config
  for (const [name, size] of Object.entries({ activeSize, passiveSize })) {
    if (!(Number.isInteger(size) && size >= 1)) throw new RangeError(`${name} ${size} is no whole number from 1 on`)
  }
  const { acquaintances, swapShuffles } = config
  if (!(Number.isInteger(acquaintances) && acquaintances >= 0)) {
    throw new RangeError(`acquaintances ${acquaintances} is no whole number`)
  }
  if (!(swapShuffles >= 1)) throw new RangeError(`swapShuffles ${swapShuffles} is not from 1 on`)
  for (const [name, walk] of Object.entries({ activeWalk, passiveWalk })) {
    if (!(Number.isInteger(walk) && walk >= 0 && walk <= overlayLimits.maxWalk)) {
      throw new RangeError(`${name} ${walk} is not in 0..${overlayLimits.maxWalk}`)
    }
  }
  if (!(shuffleActive + shufflePassive <= overlayLimits.maxPeersInMessage)) {
    throw new RangeError(`a shuffle names at most ${overlayLimits.maxPeersInMessage} peers`)
  }
  if (!(settleMs > 0)) throw new RangeError(`settleMs ${settleMs} is not above 0`)
  return config
}

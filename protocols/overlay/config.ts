/** Numbers of HyParView (Leitão, Pereira, Rodrigues, DSN 2007, §5.1) unless something else is said. */
export interface OverlayConfig {
  /** Neighbours: the active view. */
  activeSize: number
  /** Peers to turn to when a neighbour is lost: the passive view. */
  passiveSize: number
  /** Steps of the walk on which a newcomer is passed on (ARWL). */
  activeWalk: number
  /** Steps left at which a walker also leaves the newcomer in the passive view (PRWL). */
  passiveWalk: number
  /** Entries of the active and of the passive view in a shuffle (k_a, k_p). */
  shuffleActive: number
  shufflePassive: number
  /** Time between two shuffles, ± a quarter. The paper counts cycles. */
  shuffleMs: number
  /** How long an answer to a neighbour request may take. A dial is part of it. */
  requestTimeoutMs: number
  /** How soon the active view is looked after again while it is not full; doubles while nobody is found. */
  repairMs: number
  repairLastMs: number
  /** A neighbour that says nothing for so long is asked, and dropped when it says nothing to that either. */
  silenceMs: number
}

export const overlayConfig: OverlayConfig = {
  activeSize: 5,
  passiveSize: 30,
  activeWalk: 6,
  passiveWalk: 3,
  shuffleActive: 3,
  shufflePassive: 4,
  shuffleMs: 10_000,
  requestTimeoutMs: 5_000,
  repairMs: 250,
  repairLastMs: 10_000,
  silenceMs: 30_000
}

/** What a stranger can make this node do or hold. */
export const overlayLimits = {
  /** Peers named in one message. */
  maxPeersInMessage: 16,
  maxWalk: 8,
  /** Neighbour requests under way at once. */
  maxRequests: 4,
  /** Joins, requests and shuffles of one peer: beyond it they are ignored. */
  perPeer: { rate: 2, burst: 20 },
  /** Joins and walks of all peers together. */
  joins: { rate: 50, burst: 200 },
  /** Peers that rates are kept of. */
  maxRates: 256,
  /** Connected peers that are remembered as a last resort. */
  maxConnected: 512
}

/** What an event of the queue is, and which integers its record carries. Offsets 0 and 1 are the queue's own. */

export const KIND = 2
/** The peer that the event happens to. */
export const TO = 3
/** The other peer; of a tick, the record of the machine's next later tick. */
export const FROM = 4
export const LINK = 5
/** The link's generation when the event was made: with another one now, the event is void. */
export const LINK_GENERATION = 6
export const DIGEST = 7

/** The lower bits of KIND; the channel's number stands above them. */
export const KIND_BITS = 3
export const MESSAGE = 0
export const TICK = 1
/** A connection that FROM dialled is open. */
export const OPENED = 2
/** TO learns that its connection to FROM is lost, or that its dial failed. */
export const LOST = 3
/** TO learns that nobody has the address it sent to (the payload). */
export const UNKNOWN = 4
/** A function of the scenario (the payload). */
export const CALL = 5

/** Kinds in the trace that are not events of the queue. */
export const PEER_UP = 6
export const PEER_DOWN = 7
export const COMMAND = 8
export const PENALTY = 9
export const EVENT = 10

import { type EventQueue, FIELDS } from './event-queue.ts'
import { FROM, KIND, LINK, LINK_GENERATION, LOST, OPENED, TO, UNKNOWN } from './events.ts'
import {
  ARRIVES,
  BROKEN,
  DELAY,
  END,
  GENERATION,
  LINK_LOG,
  Links,
  NO_LINK,
  OPEN,
  OPENING,
  OPENS,
  STATE,
  TELL
} from './links.ts'
import type { Network } from './network.ts'

/** All channels: an end that had the connection hears of its loss on each of them. */
const EVERY_CHANNEL = -1

export interface ConnectionEvents {
  peerUp(peer: number, other: number): void
  /** `channels` has a bit for each channel that is to know. */
  peerDown(peer: number, other: number, channels: number): void
}

/**
 * Connections as the libp2p driver has them: the first message to a peer dials it, messages wait until the connection
 * is open, both ends hear `peerUp`, and when it is lost both hear `peerDown`. A connection opens after one round trip.
 * One that breaks takes with it what is under way; until an end has found that out, what it sends is lost too.
 */
export class Connections {
  readonly links = new Links()
  readonly #queue: EventQueue<unknown>
  readonly #network: Network
  readonly #events: ConnectionEvents
  #opened = 0

  constructor(queue: EventQueue<unknown>, network: Network, events: ConnectionEvents) {
    this.#queue = queue
    this.#network = network
    this.#events = events
  }

  /** Connections opened so far. */
  get opened(): number {
    return this.#opened
  }

  /**
   * The link that carries a message of a channel from one peer to another, dialled when there is none; NO_LINK when the
   * message goes nowhere. `channel` is the channel's bit, 0 for a dial that no machine waits for.
   */
  toSend(from: number, to: number, channel: number): number {
    const { links } = this
    const link = links.find(from, to)
    if (link === NO_LINK) return this.#dial(links.add(from, to), from, to, channel)
    const { fields } = links
    const record = link << LINK_LOG
    const state = fields[record + STATE] as number
    if (state === OPEN) return link
    const mine = record + TELL + (fields[record + END] === from ? 0 : 1)
    const tell = fields[mine] as number
    if (state === BROKEN && tell === 0) return this.#dial(link, from, to, channel)
    fields[mine] = tell | channel
    // this end sends into a connection that is gone without knowing it
    return state === BROKEN || tell === EVERY_CHANNEL ? NO_LINK : link
  }

  /** When a message that is sent on this link now arrives, ms; never before one that was sent earlier. */
  arrival(link: number, from: number, to: number): number {
    const { fields } = this.links
    const record = link << LINK_LOG
    const { now } = this.#queue
    const opens = fields[record + OPENS] as number
    const last = record + ARRIVES + (fields[record + END] === to ? 0 : 1)
    const due = (opens > now ? opens : now) + (fields[record + DELAY] as number) + this.#network.extraMs(from, to)
    const arrives = Math.max(due, fields[last] as number)
    fields[last] = arrives
    return arrives
  }

  isOpen(a: number, b: number): boolean {
    const link = this.links.find(a, b)
    return link !== NO_LINK && this.links.fields[(link << LINK_LOG) + STATE] === OPEN
  }

  /** A sender learns later that nobody has this address. */
  unknown(from: number, to: unknown, channel: number): void {
    const record = this.#queue.push(this.#queue.now + this.#network.detectionMs, to)
    const at = record * FIELDS
    const { fields } = this.#queue
    fields[at + KIND] = UNKNOWN
    fields[at + TO] = from
    fields[at + FROM] = channel
  }

  /** A connection closed by `closer`, which knows at once; the other end knows when the message would have arrived. */
  close(closer: number, other: number): void {
    const { links } = this
    const link = links.find(closer, other)
    if (link === NO_LINK) return
    const record = link << LINK_LOG
    const state = links.fields[record + STATE]
    if (state !== OPEN && state !== OPENING) return
    const delayMs = links.fields[record + DELAY] as number
    this.#cut(link)
    this.#tell(link, closer, other, 0)
    this.#tell(link, other, closer, delayMs)
    this.#forgetIfTold(link)
  }

  /** Closes what nothing came on for so long; the lower end does it. */
  closeIdle(idleMs: number): void {
    const { links } = this
    const since = this.#queue.now - idleMs
    for (const link of links.all()) {
      const { fields } = links
      const record = link << LINK_LOG
      const isUsed = (offset: number): boolean => (fields[record + offset] as number) > since
      // looked at now: whoever heard of one before this may have closed or dialled others
      if (fields[record + STATE] !== OPEN || isUsed(OPENS) || isUsed(ARRIVES) || isUsed(ARRIVES + 1)) continue
      this.close(fields[record + END] as number, fields[record + END + 1] as number)
    }
  }

  /** The peer is gone: its connections break, the other ends find out later. */
  crashed(peer: number): void {
    const { links } = this
    for (const link of links.of(peer)) {
      const record = link << LINK_LOG
      const side = links.fields[record + END] === peer ? 0 : 1
      const other = links.fields[record + END + 1 - side] as number
      const alreadyBroken = links.fields[record + STATE] === BROKEN
      links.fields[record + TELL + side] = 0
      if (!alreadyBroken) {
        this.#cut(link)
        this.#tell(link, other, peer, this.#network.detectionMs)
      }
      this.#forgetIfTold(link)
    }
  }

  /** Breaks every connection whose ends cannot reach one another now; both find out later. */
  cutUnreachable(): void {
    const { links } = this
    for (const link of links.all()) {
      const record = link << LINK_LOG
      const low = links.fields[record + END] as number
      const high = links.fields[record + END + 1] as number
      if (links.fields[record + STATE] === BROKEN || this.#network.reachable(low, high)) continue
      this.#cut(link)
      this.#tell(link, low, high, this.#network.detectionMs)
      this.#tell(link, high, low, this.#network.detectionMs)
      this.#forgetIfTold(link)
    }
  }

  /** An OPENED event is due. */
  onOpened(link: number, generation: number, dialler: number, target: number): void {
    if (!this.isValid(link, generation)) return
    const { fields } = this.links
    const record = link << LINK_LOG
    const far = record + TELL + (fields[record + END] === target ? 0 : 1)
    // the target still believes in an earlier connection that the dialler knows to be lost
    const stale = fields[far] === EVERY_CHANNEL
    fields[record + STATE] = OPEN
    fields[record + TELL] = EVERY_CHANNEL
    fields[record + TELL + 1] = EVERY_CHANNEL
    this.#opened++
    if (stale) this.#events.peerDown(target, dialler, EVERY_CHANNEL)
    if (this.isValid(link, generation)) this.#events.peerUp(dialler, target)
    if (this.isValid(link, generation)) this.#events.peerUp(target, dialler)
  }

  /** A LOST event is due. */
  onLost(link: number, generation: number, peer: number, other: number): void {
    if (!this.isValid(link, generation)) return
    const { fields } = this.links
    const record = link << LINK_LOG
    const mine = record + TELL + (fields[record + END] === peer ? 0 : 1)
    const channels = fields[mine] as number
    fields[mine] = 0
    this.#forgetIfTold(link)
    if (channels !== 0) this.#events.peerDown(peer, other, channels)
  }

  /** Whether what was made for this generation of a link still counts. */
  isValid(link: number, generation: number): boolean {
    return this.links.fields[(link << LINK_LOG) + GENERATION] === generation
  }

  #dial(link: number, from: number, to: number, channel: number): number {
    const { fields } = this.links
    const record = link << LINK_LOG
    const mine = record + TELL + (fields[record + END] === from ? 0 : 1)
    fields[mine] = (fields[mine] as number) | channel
    if (!this.#network.reachable(from, to)) {
      fields[record + STATE] = BROKEN
      this.#push(LOST, this.#network.detectionMs, link, from, to)
      return NO_LINK
    }
    const delayMs = this.#network.latencyMs(from, to)
    const roundTripMs = 2 * delayMs + this.#network.extraMs(from, to)
    fields[record + STATE] = OPENING
    fields[record + GENERATION]!++
    fields[record + DELAY] = delayMs
    fields[record + OPENS] = this.#queue.now + roundTripMs
    fields[record + ARRIVES] = 0
    fields[record + ARRIVES + 1] = 0
    this.#push(OPENED, roundTripMs, link, to, from)
    return link
  }

  #cut(link: number): void {
    const { fields } = this.links
    const record = link << LINK_LOG
    fields[record + STATE] = BROKEN
    fields[record + GENERATION]!++
  }

  #tell(link: number, peer: number, other: number, delayMs: number): void {
    const { fields } = this.links
    const record = link << LINK_LOG
    const side = fields[record + END] === peer ? 0 : 1
    if (fields[record + TELL + side] !== 0) this.#push(LOST, delayMs, link, peer, other)
  }

  #forgetIfTold(link: number): void {
    const { fields } = this.links
    const record = link << LINK_LOG
    if (fields[record + TELL] === 0 && fields[record + TELL + 1] === 0) this.links.remove(link)
  }

  #push(kind: number, delayMs: number, link: number, to: number, from: number): void {
    const at = this.#queue.push(this.#queue.now + delayMs, undefined) * FIELDS
    const { fields } = this.#queue
    fields[at + KIND] = kind
    fields[at + TO] = to
    fields[at + FROM] = from
    fields[at + LINK] = link
    fields[at + LINK_GENERATION] = this.links.fields[(link << LINK_LOG) + GENERATION] as number
  }
}

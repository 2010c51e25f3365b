import { exchangeLimits } from './config.ts'
import type { Features } from './handshake.ts'
import type { ExchangeMessage, ExtendedHandshake, PiecesMessage } from './messages.ts'
import type { PeerState } from './peer-state.ts'
import { PieceSet } from './piece-set.ts'

/**
 * Our first messages to a peer. What we accept (BEP 10) comes before our pieces (BEP 6): who knows the content in another
 * size parts before it takes pieces for a breach of the rules that it cannot have.
 */
export function greeting(features: Features, contentBytes: number, have: PieceSet): ExchangeMessage[] {
  const messages: ExchangeMessage[] = []
  if (features.extended) {
    const { maxRequestBytes, requestQueue } = exchangeLimits
    messages.push({ type: 'extendedHandshake', maxRequestBytes, requestQueue, contentBytes })
  }
  if (features.fast && have.isFull) messages.push({ type: 'haveAll' })
  else if (features.fast && have.count === 0) messages.push({ type: 'haveNone' })
  else if (have.count > 0) messages.push({ type: 'bitfield', bits: have.toBitfield() })
  return messages
}

/** The pieces that a peer tells; or what is wrong with the message. */
export function piecesOf(message: PiecesMessage, features: Features, size: number): PieceSet | string {
  if (message.type === 'bitfield') return PieceSet.fromBitfield(message.bits, size) ?? 'a bitfield that does not fit'
  if (!features.fast) return `${message.type} without the fast extension`
  return message.type === 'haveAll' ? PieceSet.all(size) : new PieceSet(size)
}

/** Whether the message leaves the peer the time in which it may tell its pieces. */
export function mayComeFirst({ type }: ExchangeMessage): boolean {
  return type === 'keepAlive' || type === 'extendedHandshake' || type === 'unknown'
}

/** What a peer says of itself counts as far as it is within our own limits. */
export function believe(peer: PeerState, said: ExtendedHandshake): void {
  const { maxRequestBytes, plainRequestBytes } = exchangeLimits
  if (said.maxRequestBytes !== undefined) {
    peer.maxRequestBytes = Math.max(plainRequestBytes, Math.min(maxRequestBytes, said.maxRequestBytes))
  }
  if (said.requestQueue !== undefined) peer.requestQueue = said.requestQueue
}

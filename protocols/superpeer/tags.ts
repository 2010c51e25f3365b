import { mix } from '../core/mix.ts'
import type { Peer } from '../core/peer.ts'

/**
 * 32 bits that stand for a file of a holder within one ask, to say briefly what is known. Two that are equal by chance
 * hide a hit from the second super-peer in one of four million cases at most; the ask's number makes it another one
 * each time.
 */
export function tagOf(ask: number, holder: Peer, id: string): number {
  let hash = ask ^ 0x811c9dc5
  const name = String(holder)
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return mix(hash) >>> 0
}

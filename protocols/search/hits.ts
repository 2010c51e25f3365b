import { isHex256 } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { searchLimits } from './config.ts'
import type { Answer, Hit, HolderHits } from './messages.ts'

/** Most that a hits message takes beside its holders and hits: type, id, counts, and a report. */
const MESSAGE_BYTES = 40
/** Most that is said of who has a hit: one bit for each holder, and how it is said. */
const HAVING_BYTES = 1 + searchLimits.maxHoldersInMessage / 8
/** What a holder is counted as: its name with a signed record of the usual length, more or less. */
const HOLDER_BYTES = 128
/** What each holder of a hit is counted as: hardly anything in a message, but the searcher remembers the pair. */
const PAIR_BYTES = 8

/** Which of what a node knows of goes into an answer. */
export interface Choice {
  /** Hits of each holder. */
  limit: number
  /** Holders. */
  most: number
  maxBytes: number
  /** Who is not to be named. */
  isLeftOut(holder: Peer): boolean
}

/** Hits as a message can carry them: names that are too long are cut, hits that no message can hold are left out. */
export function sendable(hits: readonly Hit[], limit: number): Hit[] {
  const fit: Hit[] = []
  for (const hit of hits) {
    if (fit.length >= Math.min(limit, searchLimits.maxHits)) break
    if (!isHex256(hit.id) || (hit.infohash !== undefined && !isHex256(hit.infohash))) continue
    if (!Number.isInteger(hit.size) || hit.size < 0 || hit.size > searchLimits.maxSize || hit.name === '') continue
    const name = cutText(hit.name, searchLimits.maxNameBytes)
    fit.push(name === hit.name ? hit : { ...hit, name })
  }
  return fit
}

/**
 * The hits of holders, each named once, those of a random choice when there are too many. `isCut`: some holders were left
 * out that could have been named.
 */
export function choose(
  found: readonly HolderHits[],
  choice: Choice,
  rng: Rng
): { chosen: HolderHits[]; isCut: boolean } {
  const named = new Map<Peer, HolderHits>()
  for (const one of found) if (!choice.isLeftOut(one.holder) && !named.has(one.holder)) named.set(one.holder, one)
  const order = named.size > 1 ? rng.sample(named.values(), named.size) : named.values()
  const chosen: HolderHits[] = []
  /** What several holders have is one object, which is how it is told that it is counted once. */
  const known = new Map<string, Hit>()
  let bytes = 0
  for (const { holder, hits } of order) {
    if (chosen.length >= choice.most || bytes >= choice.maxBytes) return { chosen, isCut: true }
    const fit: Hit[] = []
    bytes += HOLDER_BYTES
    for (const hit of sendable(hits, choice.limit)) {
      const key = hitKey(hit)
      const same = known.get(key)
      bytes += PAIR_BYTES + (same === undefined ? hitBytes(hit) : 0)
      if (bytes > choice.maxBytes) break
      known.set(key, same ?? hit)
      fit.push(same ?? hit)
    }
    if (fit.length > 0) chosen.push({ holder, hits: fit })
    else if (bytes > choice.maxBytes) return { chosen, isCut: true }
  }
  return { chosen, isCut: false }
}

/** The answers in groups that fit a message each, whatever is known of the holders where it is passed on. */
export function inMessages(answers: readonly Answer[]): Answer[][] {
  const messages: Answer[][] = []
  let hits = new Set<Hit>()
  let room = 0
  const bytesOfHit = (hit: Hit): number => (hits.has(hit) ? 0 : hitBytes(hit) + HAVING_BYTES)
  for (const { holder, hops, hits: list } of answers) {
    let part: Hit[] | undefined
    for (const hit of list) {
      const holderBytes = part === undefined ? searchLimits.maxHolderBytes : 0
      const isFull = messages.at(-1)?.length === searchLimits.maxHoldersInMessage && part === undefined
      if (messages.length === 0 || isFull || holderBytes + bytesOfHit(hit) > room) {
        messages.push([])
        hits = new Set()
        room = searchLimits.maxHitsMessageBytes - MESSAGE_BYTES
        part = undefined
      }
      if (part === undefined) {
        part = []
        messages.at(-1)?.push({ holder, hops, hits: part })
        room -= searchLimits.maxHolderBytes
      }
      room -= bytesOfHit(hit)
      hits.add(hit)
      part.push(hit)
    }
  }
  return messages
}

/** Most bytes that a message with these answers takes anywhere. */
export function worstBytes(answers: readonly Answer[]): number {
  let bytes = MESSAGE_BYTES + answers.length * searchLimits.maxHolderBytes
  for (const hit of new Set(answers.flatMap(({ hits }) => hits))) bytes += hitBytes(hit) + HAVING_BYTES
  return bytes
}

/** What answers are counted as, by everybody that they go through. */
export function countedBytes(answers: readonly Answer[]): number {
  let bytes = answers.length * HOLDER_BYTES
  const hits = new Set<Hit>()
  for (const { hits: list } of answers) {
    bytes += list.length * PAIR_BYTES
    for (const hit of list) hits.add(hit)
  }
  for (const hit of hits) bytes += hitBytes(hit)
  return bytes
}

/** Most bytes that a hit takes in a message, apart from who has it. */
export function hitBytes({ size, name, infohash }: Hit): number {
  const nameBytes = textBytes(name)
  return 1 + 32 + varintBytes(size) + varintBytes(nameBytes) + nameBytes + (infohash === undefined ? 0 : 32)
}

/** The same for hits that are the same. */
export function hitKey({ id, size, name, infohash }: Hit): string {
  return `${id} ${size} ${infohash ?? ''} ${name}`
}

const utf8 = new TextEncoder()

/** Bytes of UTF-8. */
export function textBytes(text: string): number {
  // most names are ASCII, and encoding one only to measure it costs more than all else that is done with it
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return utf8.encode(text).byteLength
  return text.length
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

/** At most so many bytes of UTF-8, without half a character at the end. */
function cutText(text: string, limit: number): string {
  if (text.length * 3 <= limit || textBytes(text) <= limit) return text
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += textBytes(character)
    if (bytes > limit) break
    end += character.length
  }
  return text.slice(0, end)
}

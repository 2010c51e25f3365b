import { isHex256 } from '../core/ids.ts'
import { searchLimits } from './config.ts'
import { type Hit, hitBytes, textBytes } from './messages.ts'

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

/** The hits in groups that fit a message each. */
export function inMessages(hits: readonly Hit[]): Hit[][] {
  const groups: Hit[][] = []
  let room = 0
  for (const hit of hits) {
    const bytes = hitBytes(hit)
    const group = groups.at(-1)
    if (group === undefined || bytes > room) {
      groups.push([hit])
      room = searchLimits.maxHitsBytes - bytes
    } else {
      group.push(hit)
      room -= bytes
    }
  }
  return groups
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

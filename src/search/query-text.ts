import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { isHex256 } from '../../protocols/core/ids.ts'
import { type ParsedQuery, parseQuery, type Query, QueryError } from '../../protocols/search/index.ts'
import { ShoalError } from '../errors.ts'

/** What a user searches: an id, or words whose meaning the answers are held to. */
export interface UserQuery {
  query: Query
  /** Undefined for an id. */
  parsed: ParsedQuery | undefined
}

/** @throws ShoalError USAGE that says what is wrong, where, and what to write instead */
export function userQueryOf(text: string): UserQuery {
  const id = text.trim().toLowerCase()
  if (isHex256(id)) return { query: { kind: 'id', id: id as FileId | Infohash }, parsed: undefined }
  const parsed = wordsQueryOf(text)
  return { query: { kind: 'words', text: parsed.text }, parsed }
}

/** @throws ShoalError USAGE */
export function wordsQueryOf(text: string): ParsedQuery {
  try {
    return parseQuery(text)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    const { message, position, advice } = error
    const where = position === 0 ? '' : ` (at character ${position + 1})`
    throw new ShoalError('USAGE', `${message}${where}`, { next: advice, cause: error })
  }
}

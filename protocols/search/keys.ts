import { hashKey, type KeyHash } from './bloom.ts'
import type { Query } from './messages.ts'
import { parseQuery, QueryError, requiredTokens } from './query-language.ts'

/**
 * Keys that whatever matches the query must have: complete words, or the id. None when nothing is sure, as with a
 * prefix alone. What a node shares goes into its summary under the words of the names and the ids.
 */
export function queryKeys(query: Query): string[] {
  if (query.kind === 'id') return [query.id]
  try {
    return requiredTokens(parseQuery(query.text))
  } catch (error) {
    if (error instanceof QueryError) return []
    throw error
  }
}

/** What was made of queries that are still under way: a walk asks for it at every neighbour that reports. */
const HASHES = new WeakMap<Query, readonly KeyHash[]>()

/** Those keys as summaries have them. */
export function keyHashes(query: Query): readonly KeyHash[] {
  let hashes = HASHES.get(query)
  if (hashes === undefined) {
    hashes = queryKeys(query).map(hashKey)
    HASHES.set(query, hashes)
  }
  return hashes
}

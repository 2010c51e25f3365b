/** Words of a query that are looked at; the rest cannot narrow it much further. */
const MAX_WORDS = 16
const MAX_WORD_CHARACTERS = 64

/**
 * What is indexed of a path: the path itself (the tokenizer splits it at everything that is no letter or digit), and its
 * parts where small letters meet capitals or letters meet digits, so that `holidayPhotos2024` is found by each.
 */
export function indexText(path: string): string {
  const split = path
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{L})(\p{N})/gu, '$1 $2')
    .replace(/(\p{N})(\p{L})/gu, '$1 $2')
  return split === path ? path : `${path} ${split}`
}

/**
 * A query as an FTS5 expression: all words must match, the last one as a beginning. Nothing a user types is an operator.
 * Undefined when it has no words.
 */
export function matchExpression(query: string): string | undefined {
  const words = (query.slice(0, 1_024).match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).slice(0, MAX_WORDS)
  if (words.length === 0) return undefined
  const quoted = words.map(word => `"${word.slice(0, MAX_WORD_CHARACTERS)}"`)
  return `${quoted.join(' ')}*`
}

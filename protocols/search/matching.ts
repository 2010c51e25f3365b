import { typesOf } from './file-types.ts'
import type { ParsedQuery, Term } from './query-language.ts'
import { type NameWords, nameWords } from './tokens.ts'

/** What of a file a query is about. */
export interface Candidate {
  /** Name or path, with `/`. */
  readonly name: string
  /** Bytes. */
  readonly size: number
}

/**
 * Whether a file is what the query asks for. This is the meaning of the language: an index must give the same answer.
 * The time is at most the product of both lengths.
 */
export function matches({ terms, excluded }: ParsedQuery, file: Candidate): boolean {
  const words = nameWords(file.name)
  const types = typesOf(file.name)
  const holds = (term: Term): boolean => {
    switch (term.kind) {
      case 'words':
        return standsIn(term.tokens, term.prefix, words.whole) || standsIn(term.tokens, term.prefix, words.parts)
      case 'type':
        return term.types.some(type => types.includes(type))
      case 'size':
        return isWithin(term, file.size)
    }
  }
  return terms.every(holds) && !excluded.some(holds)
}

/** Whether the size alone is right. */
export function sizeMatches({ terms, excluded }: ParsedQuery, size: number): boolean {
  const isRight = (term: Term): boolean => term.kind !== 'size' || isWithin(term, size)
  const isWrong = (term: Term): boolean => term.kind === 'size' && isWithin(term, size)
  return terms.every(isRight) && !excluded.some(isWrong)
}

/**
 * How well a name that matches fits the words of the query, 0 to 1, from the name alone: nothing that a holder says of
 * itself counts. 0.4 for the share of the terms that stand in the file's own name and not only in its folders, 0.25 for
 * the share of that name that the terms make up, 0.25 for terms that follow one another as in the query, 0.1 when the
 * name begins with one.
 */
export function relevance({ terms }: ParsedQuery, name: string): number {
  const wanted = terms.filter(term => term.kind === 'words')
  if (wanted.length === 0) return 1
  const own = nameWords(withoutExtension(name.slice(name.lastIndexOf('/') + 1)))
  return Math.max(fit(wanted, own.whole), fit(wanted, own.parts))
}

function fit(wanted: readonly Extract<Term, { kind: 'words' }>[], tokens: NameWords['whole']): number {
  if (tokens.length === 0) return 0
  const covered = new Set<number>()
  let inside = 0
  let inOrder = 0
  let begins = false
  let end: number | undefined
  for (const { tokens: phrase, prefix } of wanted) {
    const following = end !== undefined && standsAt(phrase, prefix, tokens, end)
    const at = following ? (end as number) : placeOf(phrase, prefix, tokens)
    if (at === undefined) {
      end = undefined
      continue
    }
    inside++
    inOrder += Number(following)
    begins ||= at === 0
    for (let i = 0; i < phrase.length; i++) covered.add(at + i)
    end = at + phrase.length
  }
  const order = wanted.length === 1 ? inside : inOrder / (wanted.length - 1)
  return (0.4 * inside) / wanted.length + (0.25 * covered.size) / tokens.length + 0.25 * order + (begins ? 0.1 : 0)
}

function withoutExtension(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(0, dot) : name
}

function isWithin({ least, most }: { least: number; most: number }, size: number): boolean {
  return size >= least && size <= most
}

function standsIn(phrase: readonly string[], prefix: boolean, tokens: readonly string[]): boolean {
  return placeOf(phrase, prefix, tokens) !== undefined
}

function placeOf(phrase: readonly string[], prefix: boolean, tokens: readonly string[]): number | undefined {
  for (let at = 0; at + phrase.length <= tokens.length; at++) if (standsAt(phrase, prefix, tokens, at)) return at
  return undefined
}

function standsAt(phrase: readonly string[], prefix: boolean, tokens: readonly string[], at: number): boolean {
  const last = phrase.length - 1
  return phrase.every((token, i) => {
    const found = tokens[at + i]
    return prefix && i === last ? found?.startsWith(token) === true : found === token
  })
}

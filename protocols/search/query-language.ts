import { FILE_TYPES, fileTypeNamed, isExtension, isKnownExtension } from './file-types.ts'
import { nearest } from './nearest.ts'
import { parseSize } from './size-range.ts'
import { queryWords } from './tokens.ts'

/** Part of the protocol: a query beyond these is none. */
export const queryLimits = {
  /** UTF-8. */
  maxBytes: 256,
  maxTerms: 16,
  /** A shorter beginning would match nearly everything. In characters. */
  minPrefix: 2
}

/** A query as it was understood: each of `terms` must hold for a file, and none of `excluded`. */
export interface ParsedQuery {
  /** As it was written, without blanks around it: what is sent to others. */
  readonly text: string
  readonly terms: readonly Term[]
  readonly excluded: readonly Term[]
}

export type Term =
  /** These tokens stand side by side in the name; with `prefix` the last one may go on. */
  | { readonly kind: 'words'; readonly tokens: readonly string[]; readonly prefix: boolean }
  /** The file is of one of these types, or its name ends so. */
  | { readonly kind: 'type'; readonly types: readonly string[] }
  /** Bytes, both included. */
  | { readonly kind: 'size'; readonly least: number; readonly most: number }

/** A text is no query. `message` says what is wrong, `advice` what to write instead. */
export class QueryError extends Error {
  static override readonly name = 'QueryError'
  override readonly name = 'QueryError'
  readonly code = 'BAD_QUERY'
  /** Where in the text, in UTF-16 units from 0. */
  readonly position: number
  readonly advice: string

  constructor(message: string, position: number, advice: string) {
    super(message)
    this.position = position
    this.advice = advice
  }
}

const KEYS = ['type', 'size'] as const
type Key = (typeof KEYS)[number]

/** What other programs call them. */
const ALSO_CALLED: Readonly<Record<string, Key>> = {
  ext: 'type',
  extension: 'type',
  filetype: 'type',
  kind: 'type',
  format: 'type',
  filesize: 'size',
  larger: 'size',
  smaller: 'size'
}

/** Where one letter says little; in other scripts it may be a word. */
const ALPHABETIC = /^[\p{N}\p{scx=Latn}\p{scx=Grek}\p{scx=Cyrl}]/u
const QUOTE = /["\u201c\u201d\u201e]/
const encoder = new TextEncoder()

/** @throws QueryError, and nothing else, whatever the text is */
export function parseQuery(text: string): ParsedQuery {
  if (text.length > queryLimits.maxBytes || encoder.encode(text).byteLength > queryLimits.maxBytes) {
    throw new QueryError(`a query has at most ${queryLimits.maxBytes} bytes`, 0, 'Leave out what matters least.')
  }
  const terms: Term[] = []
  const excluded: Term[] = []
  for (const piece of piecesOf(text)) {
    const term = termOf(piece)
    if (term === undefined) continue
    if (terms.length + excluded.length >= queryLimits.maxTerms) {
      const what = `a query has at most ${queryLimits.maxTerms} terms`
      throw new QueryError(what, piece.at, 'Leave out what matters least, or put words into one "phrase".')
    }
    if (piece.negative) excluded.push(term)
    else terms.push(term)
  }
  if (!terms.some(({ kind }) => kind !== 'size')) {
    throw new QueryError('a search needs at least one word or type:', 0, 'Name a word, as in: sea size:1G..')
  }
  return { text: text.trim(), terms, excluded }
}

/**
 * The words, complete, that every match must have among its `nameTokens`. Beginnings, exclusions and types give none, so
 * there may be none at all.
 */
export function requiredTokens({ terms }: ParsedQuery): string[] {
  const required = terms.flatMap(term => {
    if (term.kind !== 'words') return []
    return term.prefix ? term.tokens.slice(0, -1) : term.tokens
  })
  return [...new Set(required)]
}

interface Piece {
  /** Where it begins, the sign included. */
  at: number
  negative: boolean
  quoted: boolean
  body: string
}

function* piecesOf(text: string): Generator<Piece> {
  let at = 0
  while (at < text.length) {
    if (/\s/.test(text[at] as string)) {
      at++
      continue
    }
    const begin = at
    // a dash alone is a dash, and two are how options of commands begin
    const negative = text[at] === '-' && /^[^\s-]/.test(text.slice(at + 1))
    if (negative) at++
    if (QUOTE.test(text[at] as string)) {
      const length = text.slice(at + 1).search(QUOTE)
      if (length < 0) {
        throw new QueryError('a quote is opened and not closed', at, 'Close it: "these words side by side"')
      }
      const end = at + 1 + length
      const body = text.slice(at + 1, end)
      at = end + 1
      const star = text[at] === '*'
      if (star) at++
      yield { at: begin, negative, quoted: true, body: star ? `${body}*` : body }
    } else {
      const length = text.slice(at).search(/\s/)
      const end = length < 0 ? text.length : at + length
      yield { at: begin, negative, quoted: false, body: text.slice(at, end) }
      at = end
    }
  }
}

/** Undefined for what has no letters or digits: a dash between words, a smiley. */
function termOf(piece: Piece): Term | undefined {
  const keyed = piece.quoted ? null : /^(\p{L}{2,12}):(.*)$/u.exec(piece.body)
  if (keyed !== null) {
    const [, name = '', value = ''] = keyed
    const key = name.toLowerCase()
    if (key === 'type') return typeTerm(value, piece)
    if (key === 'size') return sizeTerm(value, piece)
    refuseMistyped(key, value, piece)
  }
  return wordsTerm(piece)
}

/** `foo:bar` may be a part of a name; `tpye:video` is none. */
function refuseMistyped(key: string, value: string, piece: Piece): void {
  if (value === '') return
  const meant = Object.hasOwn(ALSO_CALLED, key) ? ALSO_CALLED[key] : nearest(key, KEYS, key.length > 4 ? 2 : 1)
  if (meant === undefined) return
  throw new QueryError(
    `there is no ${key}:, only type: and size:`,
    piece.at,
    `Did you mean ${meant}:${value}? To find it in names put it in quotes: "${piece.body}"`
  )
}

function typeTerm(value: string, piece: Piece): Term {
  const types = value
    .toLowerCase()
    .split(',')
    .map(one => one.replace(/^\*?\./, ''))
    .filter(one => one !== '')
  if (types.length === 0) throw new QueryError('type: needs a type right behind it', piece.at, typeAdvice())
  return { kind: 'type', types: [...new Set(types.map(one => typeNamed(one, piece)))] }
}

function typeNamed(one: string, piece: Piece): string {
  const type = fileTypeNamed(one)
  if (type !== undefined) return type
  if (!isExtension(one)) throw new QueryError(`"${one}" is no type of files`, piece.at, typeAdvice())
  const meant = isKnownExtension(one) || one.length < 4 ? undefined : nearest(one, FILE_TYPES, one.length > 4 ? 2 : 1)
  if (meant !== undefined) {
    throw new QueryError(`"${one}" is no type of files`, piece.at, `Did you mean type:${meant}? ${typeAdvice()}`)
  }
  return one
}

function typeAdvice(): string {
  return `Write one of ${FILE_TYPES.join(', ')}, or the end of the name, as in type:pdf,epub`
}

function sizeTerm(value: string, piece: Piece): Term {
  const range = parseSize(value)
  if (typeof range === 'string') {
    throw new QueryError(range, piece.at, 'Write size:100M..2G, size:1G.. (or >1G), size:..500M (or <500M)')
  }
  return { kind: 'size', ...range }
}

function wordsTerm({ body, at }: Piece): Term | undefined {
  const inner = body.replace(/^\*+/, '')
  const star = /[\p{L}\p{N}\p{M}]\*+$/u.test(inner)
  const bare = inner.replace(/\*+$/, '')
  if (/[\p{L}\p{N}\p{M}]\*/u.test(bare)) {
    const advice = `Take it apart: ${bare.replaceAll(/\*+/g, '* ').trim()}`
    throw new QueryError('a * stands only at the end of a word', at, advice)
  }
  const { tokens, prefix } = queryWords(bare, star)
  const last = tokens.at(-1)
  if (last === undefined) return undefined
  if (star && tokens.length === 1 && last.length < queryLimits.minPrefix && ALPHABETIC.test(last)) {
    const advice = `Write at least ${queryLimits.minPrefix} letters or digits before the *`
    throw new QueryError(`"${last}*" would find nearly everything`, at, advice)
  }
  return { kind: 'words', tokens, prefix }
}

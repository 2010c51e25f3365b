/** Longer words are told apart by their beginning alone. In characters. */
const MAX_TOKEN_CHARACTERS = 64
/** Longest name that is looked at: a path of 1,024 bytes in a message is shorter. In UTF-16 units. */
const MAX_NAME_LENGTH = 4_096

/**
 * Accents, and the points of Hebrew and Arabic that few people type. Vowel signs of Indic scripts and the voicing marks
 * of kana are not among them: they make another word.
 */
const ACCENTS =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: marks are meant one by one
  /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]|\p{Default_Ignorable_Code_Point}/gu
/** Letters by their class, which are typed as a plain apostrophe: it parts words. */
const LETTER_APOSTROPHES = /[\u02bb\u02bc]/g
/** Letters that Unicode does not take apart, though people type them without the stroke. */
const STROKED: Readonly<Record<string, string>> = { ł: 'l', ø: 'o', đ: 'd', æ: 'ae', œ: 'oe', ς: 'σ' }
const STROKED_LETTERS = new RegExp(`[${Object.keys(STROKED).join('')}]`, 'gu')

/** Runs of a script that is written without blanks, and words of all others. */
const SEGMENTS =
  /[[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]&&[\p{L}\p{N}\p{M}]]+|[[\p{L}\p{N}\p{M}]--[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]]+/gv
const UNSPACED = /^[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/v
/** All of these scripts lie behind it, and most names before it. */
const FIRST_UNSPACED = 0x0e00
/** Where small letters meet capitals, and letters meet digits. */
const JOINTS = /(?<=\p{Ll})(?=\p{Lu})|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})/gu

/** A name as it is searched. */
export interface NameWords {
  /** In the order of the name, which phrases follow. */
  readonly whole: readonly string[]
  /** The same with `holidayPhotos2024` taken apart into three; empty when nothing is. */
  readonly parts: readonly string[]
}

/** What of a query is looked for side by side. */
export interface QueryWords {
  readonly tokens: readonly string[]
  /** The last token is the beginning of a word. */
  readonly prefix: boolean
}

/**
 * The tokens of a name or path. NFKD, without accents, in small letters (folded: `STRASSE` is `straße`), split at
 * everything that is no letter, digit or vowel sign, NFC. A script without blanks gives all pairs of neighbouring
 * characters and the last character, so that any part of such a run is found.
 */
export function nameWords(name: string): NameWords {
  const plain = unaccented(name.slice(0, MAX_NAME_LENGTH))
  const whole = tokensOf(segmentsOf(plain), false)
  const split = plain.replace(JOINTS, ' ')
  const parts = split === plain ? [] : tokensOf(segmentsOf(split), false)
  return { whole, parts: sameTokens(whole, parts) ? [] : parts }
}

/** All tokens of a name, each once: what an index of names, or a summary of one, is made of. */
export function nameTokens(name: string): string[] {
  const { whole, parts } = nameWords(name)
  return [...new Set([...whole, ...parts])]
}

/** The tokens of a piece of a query, whose last word may go on. */
export function queryWords(text: string, star: boolean): QueryWords {
  const segments = segmentsOf(unaccented(text))
  const last = segments.at(-1)
  if (last === undefined) return { tokens: [], prefix: false }
  // one character of a run stands anywhere in it: at the beginning of a pair, or as the last
  const single = isUnspaced(last) && [...last].length === 1
  return { tokens: tokensOf(segments, true), prefix: single || (star && !isUnspaced(last)) }
}

function unaccented(text: string): string {
  return text.normalize('NFKD').replace(LETTER_APOSTROPHES, "'").replace(ACCENTS, '')
}

function segmentsOf(plain: string): string[] {
  // capitals first: ß, and letters that have several small forms
  const folded = plain
    .toUpperCase()
    .toLowerCase()
    .replace(STROKED_LETTERS, letter => STROKED[letter] as string)
    .normalize('NFC')
  return folded.match(SEGMENTS) ?? []
}

/** @param open the last run may go on in the name */
function tokensOf(segments: readonly string[], open: boolean): string[] {
  const tokens: string[] = []
  segments.forEach((segment, i) => {
    if (!isUnspaced(segment)) {
      tokens.push(segment.length > MAX_TOKEN_CHARACTERS ? shortened(segment) : segment)
      return
    }
    const characters = [...segment]
    for (let at = 0; at + 1 < characters.length; at++) tokens.push(`${characters[at]}${characters[at + 1]}`)
    if (!open || i < segments.length - 1 || characters.length === 1) tokens.push(characters.at(-1) as string)
  })
  return tokens
}

function isUnspaced(segment: string): boolean {
  return segment.charCodeAt(0) >= FIRST_UNSPACED && UNSPACED.test(segment)
}

function shortened(word: string): string {
  return [...word].slice(0, MAX_TOKEN_CHARACTERS).join('')
}

function sameTokens(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i])
}

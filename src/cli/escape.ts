/**
 * What a terminal obeys, reorders or does not show: controls (C0, DEL, C1), format characters (bidi, zero-width, tags),
 * lone surrogates, unassigned and private ones, line and paragraph separators, fillers that are invisible by definition.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
const UNSEEN_OR_BACKSLASH = new RegExp(`${UNSEEN.source}|\\\\`, 'gu')

const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

/**
 * Text from outside as it is shown to people: everything that could move the cursor, forge a line or hide a part is
 * written out. Two different texts are never shown as the same.
 */
export function shown(text: string): string {
  return text.replace(UNSEEN_OR_BACKSLASH, it => NAMED[it] ?? `\\u{${(it.codePointAt(0) as number).toString(16)}}`)
}

/** A line of JSON that means the same, and has nothing in it that a terminal would obey. */
export function shownJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSEEN, it =>
    Array.from({ length: it.length }, (_, i) => `\\u${it.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
  )
}

export interface Column {
  title: string
  right?: boolean
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const ZERO = /[\p{Mn}\p{Me}]/u

/** Columns that a terminal takes to show a text without controls. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += ZERO.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

/** Rows under their titles, each column as wide as it needs; the last one is not filled up. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const all = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map((_, i) => Math.max(...all.map(row => widthOf(row[i] ?? ''))))
  return all.map(row =>
    columns
      .map(({ right }, i) => {
        const cell = row[i] ?? ''
        const space = ' '.repeat((widths[i] as number) - widthOf(cell))
        if (right === true) return space + cell
        return i === columns.length - 1 ? cell : cell + space
      })
      .join('  ')
      .trimEnd()
  )
}

/** Names and values below one another. An empty name goes on with the line above. */
export function pairs(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => widthOf(name)))
  return rows.map(([name, value]) => `${name}${' '.repeat(width - widthOf(name))}  ${value}`.trimEnd())
}

/** The first columns of a text that does not fit. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let width = 0
  let kept = ''
  for (const character of text) {
    width += widthOf(character)
    if (width > columns - 1) break
    kept += character
  }
  return `${kept}…`
}

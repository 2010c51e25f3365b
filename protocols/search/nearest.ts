/** The one of `words` that is at most so many mistakes away: a letter too many, too few, wrong, or two swapped. */
export function nearest<W extends string>(text: string, words: readonly W[], mistakes: number): W | undefined {
  let best: W | undefined
  let least = mistakes + 1
  for (const word of words) {
    const count = Math.abs(word.length - text.length) > mistakes ? least : mistakesBetween(text, word)
    if (count < least) {
      best = word
      least = count
    }
  }
  return best
}

/** Optimal string alignment distance. The time is the product of the lengths: for short words. */
function mistakesBetween(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + Number(a[i - 1] !== b[j - 1]),
        swap ? (before[j - 2] as number) + 1 : Number.POSITIVE_INFINITY
      )
    }
    before = above
    above = row
  }
  return above[b.length] as number
}

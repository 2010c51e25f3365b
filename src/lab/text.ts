import type { Experiment, Row, Value } from './experiment.ts'
import type { Result } from './summary.ts'

/** A result as a table shows it; the lines of one value stand below one another. */
export interface TableRow {
  group: string[]
  value: string
  ours: string
  interval: string
  figure: string
  deviation: string
  source: string
}

/** What a number is called in a table: a share in per cent, or with the digits that it has. */
export function numberText(number: number, { as = { digits: 2 } }: Pick<Value, 'as'>): string {
  if (as === 'percent') return `${(number * 100).toFixed(1)} %`
  return number.toFixed(as.digits)
}

export function deviationText(deviation: number): string {
  return `${deviation < 0 ? '−' : '+'}${Math.abs(deviation * 100).toFixed(1)} %`
}

export function tableTitles(experiment: Experiment): string[] {
  return [...Object.values(experiment.by), 'value', 'ours', '± 95 %', 'published', 'deviation', 'source']
}

/** The rows for people, with the explanations that they refer to by number. */
export function tableRows(experiment: Experiment, results: readonly Result[]): { rows: TableRow[]; notes: string[] } {
  const notes: string[] = []
  const rows: TableRow[] = []
  for (const result of results) {
    const value = experiment.values[result.value] as Value
    if (value.print === false) continue
    const ours = {
      group: Object.keys(experiment.by).map(column => cell(result.group, column)),
      value: value.title,
      ours: numberText(result.mean, value),
      interval: result.halfWidth === undefined ? '' : numberText(result.halfWidth, value)
    }
    const blank = { group: ours.group.map(() => ''), value: '', ours: '', interval: '' }
    if (result.figures.length === 0) rows.push({ ...ours, figure: '', deviation: '', source: '' })
    result.figures.forEach(({ figure, evidence, source, deviation, note = '' }, i) => {
      if (note !== '' && !notes.includes(note)) notes.push(note)
      const mark = note === '' ? '' : ` [${notes.indexOf(note) + 1}]`
      rows.push({
        ...(i === 0 ? ours : blank),
        figure: numberText(figure, value),
        deviation: `${deviation === undefined ? '' : deviationText(deviation)}${mark}`.trim(),
        source: `${evidence}: ${source}`
      })
    })
  }
  return { rows, notes }
}

function cell(group: Row, column: string): string {
  return group[column] === undefined ? '' : String(group[column])
}

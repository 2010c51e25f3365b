import type { Experiment, Row } from './experiment.ts'

/** All measurements, a line for each row of each seed, as RFC 4180 has it. Columns that a row does not have are empty. */
export function csv(experiment: Experiment, rows: readonly Row[]): string {
  const columns = ['seed', ...Object.keys(experiment.by), ...Object.keys(experiment.values)]
  return [columns, ...rows.map(row => columns.map(column => row[column] ?? ''))]
    .map(cells => `${cells.map(field).join(',')}\r\n`)
    .join('')
}

function field(value: string | number): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

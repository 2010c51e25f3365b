import type { Evidence, Experiment, Published, Row, Settings } from './experiment.ts'
import { type Estimate, estimate } from './statistics.ts'

/** One value of one group of rows, over all seeds, beside what is published of it. */
export interface Result extends Estimate {
  /** The columns that say what it is about. */
  group: Row
  value: string
  figures: Comparison[]
}

export interface Comparison {
  figure: number
  evidence: Evidence
  source: string
  /** (ours − figure) / figure; undefined where the two are not of the same set-up. */
  deviation: number | undefined
  /** Why there is no deviation, or what explains it. */
  note: string | undefined
}

/** Beyond it a deviation needs an explanation. */
export const NOTABLE_DEVIATION = 0.05

/** Every value of every group, in the order in which the rows name them first. */
export function summarise(experiment: Experiment, settings: Settings, rows: readonly Row[]): Result[] {
  const columns = Object.keys(experiment.by)
  const groups = new Map<string, { group: Row; values: Map<string, number[]> }>()
  for (const row of rows) {
    const group: Row = {}
    for (const column of columns) if (row[column] !== undefined) group[column] = row[column]
    const key = JSON.stringify(group)
    let entry = groups.get(key)
    if (entry === undefined) groups.set(key, (entry = { group, values: new Map() }))
    for (const value of Object.keys(experiment.values)) {
      if (row[value] === undefined) continue
      const list = entry.values.get(value) ?? []
      list.push(Number(row[value]))
      entry.values.set(value, list)
    }
  }
  return [...groups.values()].flatMap(({ group, values }) =>
    Object.keys(experiment.values).flatMap(value => {
      const list = values.get(value)
      if (list === undefined) return []
      const ours = estimate(list)
      return [{ ...ours, group, value, figures: figuresOf(experiment, settings, { group, value, mean: ours.mean }) }]
    })
  )
}

function figuresOf(
  { published = [] }: Experiment,
  settings: Settings,
  ours: { group: Row; value: string; mean: number }
): Comparison[] {
  return published
    .filter(({ value, where = {} }) => value === ours.value && matches(ours.group, where))
    .map(one => {
      const figure = typeof one.figure === 'function' ? one.figure(settings, ours.group) : one.figure
      const { evidence, source } = one
      const obstacle = obstacleTo(one, settings)
      if (obstacle !== undefined) return { figure, evidence, source, deviation: undefined, note: obstacle }
      const deviation = figure === 0 ? undefined : (ours.mean - figure) / figure
      const isNotable = deviation !== undefined && Math.abs(deviation) > NOTABLE_DEVIATION
      return { figure, evidence, source, deviation, note: isNotable ? one.why : undefined }
    })
}

/** Why ours cannot be compared with a figure; an empty text where that says itself. */
function obstacleTo({ reproduces = true, evidence, setup = {} }: Published, settings: Settings): string | undefined {
  const others = Object.entries(setup).filter(
    ([name, value]) => JSON.stringify(settings[name]) !== JSON.stringify(value)
  )
  if (others.length > 0) return `the figure is for ${others.map(([name, value]) => `${name} ${value}`).join(', ')}`
  return reproduces && evidence !== 'goal' ? undefined : ''
}

export function matches(row: Row, where: Row): boolean {
  return Object.entries(where).every(([column, value]) => row[column] === value)
}

import type { Experiment, Row, Settings } from './experiment.ts'

/** One run: what a worker is sent. */
export interface Task {
  /** Name of the experiment, or path of its module. */
  experiment: string
  settings: Settings
  case: Row
  seed: number
}

/** What a worker sends back: how far it is, then what it measured or what went wrong. */
export type Answer = { progress: number } | { rows: Row[] } | { error: string }

/** The runs of an experiment, those of one seed side by side. */
export function tasksOf(
  experiment: Experiment,
  init: { source: string; settings: Settings; seeds: readonly number[] }
): Task[] {
  const { source, settings, seeds } = init
  const cases = experiment.cases?.(settings) ?? [{}]
  return seeds.flatMap(seed => cases.map(one => ({ experiment: source, settings, case: one, seed })))
}

/**
 * Runs one case with one seed here and now. The rows say which they are of.
 * @throws RangeError when it measured what the experiment does not know, or no number
 */
export function runTask(experiment: Experiment, task: Task, progress: (share: number) => void = () => {}): Row[] {
  const { settings, seed } = task
  const measured = experiment.run({ seed, settings, case: task.case, progress })
  const rows = Array.isArray(measured) ? (measured as readonly Row[]) : [measured as Row]
  return rows.map(row => checked(experiment, { seed, ...task.case, ...row }))
}

function checked(experiment: Experiment, row: Row): Row {
  for (const [column, value] of Object.entries(row)) {
    const isValue = Object.hasOwn(experiment.values, column)
    if (!isValue && !Object.hasOwn(experiment.by, column) && column !== 'seed') {
      throw new RangeError(`${column} is neither in \`by\` nor in \`values\``)
    }
    if (isValue && !Number.isFinite(value)) throw new RangeError(`${column} is ${value}`)
  }
  return row
}

/** What an experiment is: see README.md for how to write one. */

/** Numbers and lists of an experiment's set-up, changed by `--peers` and `--set name=value`. */
export type Settings = Record<string, number | readonly number[] | readonly string[]>

/** One line of measurements: the columns of `by` that it is about, and what was measured. */
export type Row = Record<string, string | number>

export interface RunContext<S extends Settings = Settings, C extends Row = Row> {
  /** Everything random follows from it. */
  readonly seed: number
  readonly settings: S
  /** Which of the cases this run is. */
  readonly case: C
  /** Says how far this run is, 0..1. */
  progress(share: number): void
}

export interface Value {
  title: string
  /** How it is printed: a share as per cent, or digits behind the point. */
  as?: 'percent' | { digits: number }
  /** Left out of the printed table when false: for what is only drawn. */
  print?: boolean
}

/**
 * Where a figure comes from. `paper`: read in the paper; `recalled`: said to be in the paper, which could not be read;
 * `computed`: by a program for the same set-up; `closed form`: a formula; `goal`: what this project has set itself.
 */
export type Evidence = 'paper' | 'recalled' | 'computed' | 'closed form' | 'goal'

export interface Published<S extends Settings = Settings> {
  value: string
  /** The rows it is about. */
  where?: Row
  figure: number | ((settings: S, row: Row) => number)
  evidence: Evidence
  /** System or model, paper and section. */
  source: string
  /** The settings that the figure is for: with others it is shown, but nothing is compared with it. */
  setup?: Partial<S>
  /** False for a figure of another system or model, that is there to be looked at and not to be reproduced. */
  reproduces?: boolean
  /** What explains a deviation of more than 5 %. */
  why?: string
}

export interface Plot {
  title: string
  /** The column along the x axis: numbers make lines, texts make bars. */
  x: string
  /** Values that are drawn, each as a series of its own. */
  y: readonly string[]
  /** A column each value of which is a series of its own. */
  series?: string
  /** Only rows with these values. */
  where?: Row
  kind?: 'line' | 'bar'
  logX?: boolean
  logY?: boolean
}

export interface Experiment<S extends Settings = Settings, C extends Row = Row> {
  name: string
  /** One line. */
  summary: string
  settings: S
  /** Seeds when nothing else is said. */
  seeds: number
  /** What is run for each seed, each with a simulation of its own. One run without. */
  cases?(settings: S): readonly C[]
  /** The columns that say what a row is about: those of the cases, and those of the rows. A row need not have all. */
  by: Readonly<Record<string, string>>
  values: Readonly<Record<string, Value>>
  /** Measures one case. Uses no clock and no other randomness than the seed. */
  run(context: RunContext<S, C>): Row | readonly Row[]
  published?: readonly Published<S>[]
  plots?: readonly Plot[]
}

/** Gives an experiment its types. @throws RangeError when it speaks of columns that it does not have */
export function experiment<S extends Settings, C extends Row = Row>(definition: Experiment<S, C>): Experiment {
  const { name, by, values, published = [], plots = [] } = definition
  const known = (column: string, columns: object): void => {
    if (!Object.hasOwn(columns, column)) throw new RangeError(`experiment ${name} has no column ${column}`)
  }
  for (const { value, where = {} } of published) {
    known(value, values)
    for (const column of Object.keys(where)) known(column, by)
  }
  for (const { x, y, series, where = {} } of plots) {
    for (const column of y) known(column, values)
    for (const column of [x, ...(series === undefined ? [] : [series]), ...Object.keys(where)]) known(column, by)
  }
  return definition as unknown as Experiment
}

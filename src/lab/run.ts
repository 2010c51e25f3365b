import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { csv } from './csv.ts'
import type { Experiment, Row, Settings } from './experiment.ts'
import { findExperiment, LabError } from './find.ts'
import { type PoolOptions, runTasks } from './pool.ts'
import { settingsWith } from './settings.ts'
import { type Result, summarise } from './summary.ts'
import { tasksOf } from './task.ts'

export interface RunOptions extends PoolOptions {
  /** Settings to replace, as texts. */
  settings?: Readonly<Record<string, string>>
  /** How many seeds, and the first of them. */
  seeds?: number
  seed?: number
  /** Where the CSV and the HTML file go; without it none are written. */
  out?: string
}

/** An experiment that was run. */
export interface LabRun {
  experiment: Experiment
  settings: Settings
  seeds: number[]
  /** All that was measured, by seed and case. */
  rows: Row[]
  results: Result[]
  /** Paths of what was written. */
  files: string[]
}

/** Runs an experiment, by name or path, with all its seeds. @throws LabError */
export async function runExperiment(nameOrPath: string, options: RunOptions = {}): Promise<LabRun> {
  const experiment = await findExperiment(nameOrPath)
  const settings = settingsWith(experiment, options.settings ?? {})
  const first = options.seed ?? 1
  const seeds = Array.from({ length: options.seeds ?? experiment.seeds }, (_, i) => first + i)
  const isKnown = experiment.name === nameOrPath
  const tasks = tasksOf(experiment, { source: isKnown ? nameOrPath : resolve(nameOrPath), settings, seeds })
  // not only after hours that there is no place for the results
  if (options.out !== undefined) await mkdir(options.out, { recursive: true })
  const rows = (await runTasks(tasks, options)).flat()
  if (rows.length === 0) throw new LabError(`${experiment.name} measured nothing`)
  const results = summarise(experiment, settings, rows)
  const run = { experiment, settings, seeds, rows, results, files: [] }
  return options.out === undefined
    ? run
    : { ...run, files: await write(run, options.out, commandOf(nameOrPath, options)) }
}

async function write(run: Omit<LabRun, 'files'>, folder: string, command: string): Promise<string[]> {
  // the plotting library is large, and only needed here
  const { html } = await import('./html.ts')
  const files = {
    csv: csv(run.experiment, run.rows),
    html: html({ ...run, command })
  }
  const paths: string[] = []
  for (const [extension, text] of Object.entries(files)) {
    const path = join(folder, `${run.experiment.name}.${extension}`)
    await writeFile(path, text)
    paths.push(path)
  }
  return paths
}

/** What to type to get the same again. */
function commandOf(nameOrPath: string, { settings = {}, seeds, seed }: RunOptions): string {
  return [
    'shoal lab',
    nameOrPath,
    ...Object.entries(settings).map(([name, value]) => `--set ${name}=${value}`),
    ...(seeds === undefined ? [] : [`--seeds ${seeds}`]),
    ...(seed === undefined ? [] : [`--seed ${seed}`])
  ].join(' ')
}

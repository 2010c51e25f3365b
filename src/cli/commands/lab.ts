import { resolve } from 'node:path'
import { ShoalError } from '../../errors.ts'
import {
  experiments,
  LabError,
  type LabRun,
  type RunOptions,
  runExperiment,
  tableRows,
  tableTitles
} from '../../lab/index.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import type { Output } from '../output.ts'
import { table } from '../table.ts'
import { countText, durationText } from '../units.ts'

export interface LabCommandOptions {
  peers?: number
  seeds?: number
  seed?: number
  set?: string[]
  jobs?: number
  out?: string
}

const ALL = 'all'
const MOST_BAR_COLUMNS = 40

export async function lab(context: Context, name: string | undefined, options: LabCommandOptions): Promise<void> {
  if (name === undefined) {
    listExperiments(context.out)
    return
  }
  const names = name === ALL ? experiments.map(experiment => experiment.name) : [name]
  for (const one of names) {
    // with all of them, those that have no peers to set run as they are
    const isForAll =
      name === ALL && experiments.find(experiment => experiment.name === one)?.settings.peers === undefined
    const { peers, ...rest } = options
    await runOne(context, one, isForAll || peers === undefined ? rest : { ...rest, peers })
  }
}

function listExperiments(out: Output): void {
  for (const { name, summary, settings, seeds } of experiments) {
    out.record('experiment', { name, summary, settings, seeds })
  }
  const rows = experiments.map(({ name, summary }) => [name, summary])
  for (const line of table([{ title: 'experiment' }, { title: 'what it measures' }], rows)) out.say(line)
  out.say()
  out.say('Run one with `shoal lab NAME`, your own with `shoal lab FILE.ts`, all with `shoal lab all`.')
}

async function runOne({ out, io }: Context, name: string, options: LabCommandOptions): Promise<void> {
  const { peers, set = [], out: folder = 'lab-results', seeds, seed, jobs } = options
  const startedMs = performance.now()
  const runOptions: RunOptions = {
    settings: { ...(peers === undefined ? {} : { peers: String(peers) }), ...Object.fromEntries(set.map(pair)) },
    ...(seeds === undefined ? {} : { seeds }),
    ...(seed === undefined ? {} : { seed }),
    ...(jobs === undefined ? {} : { jobs }),
    out: resolve(folder),
    signal: io.interrupted,
    onProgress: (share, done) => {
      out.progress(columns => progressLine(name, share, { done, columns, tookMs: performance.now() - startedMs }))
    }
  }
  let run: LabRun
  try {
    run = await runExperiment(name, runOptions)
  } catch (error) {
    if (io.interrupted.aborted) throw new ShoalError('INTERRUPTED', 'the experiment was interrupted')
    if (error instanceof LabError)
      throw new ShoalError('USAGE', error.message, { cause: error, next: 'See `shoal lab`.' })
    if ((error as NodeJS.ErrnoException).syscall !== undefined) {
      throw new ShoalError('PERMISSION', `cannot write to ${folder}: ${(error as Error).message}`, { cause: error })
    }
    throw error
  }
  out.clearProgress()
  say(run, out)
  out.say(`${countText(run.seeds.length, 'seed')}, ${durationText(performance.now() - startedMs)}`)
  for (const file of run.files) out.say(`wrote ${shown(file)}`)
}

function say({ experiment, settings, seeds, rows, results, files }: LabRun, out: Output): void {
  const { name } = experiment
  for (const row of rows) out.record('measurement', { experiment: name, ...row })
  for (const { group, value, mean, halfWidth, count, figures } of results) {
    out.record('result', { experiment: name, group, value, mean, halfWidth, count, figures })
  }
  out.record('experimentDone', { experiment: name, settings, seeds, files })
  out.say(out.paint('bold', shown(`${name}: ${experiment.summary}`)))
  const groups = Object.keys(experiment.by).length
  const columns = tableTitles(experiment).map((title, i) => ({ title, right: i > groups && i < groups + 5 }))
  const { rows: lines, notes } = tableRows(experiment, results)
  const cells = lines.map(({ group, value, ours, interval, figure, deviation, source }) =>
    [...group, value, ours, interval, figure, deviation, source].map(shown)
  )
  // a column of which nothing is printed is none
  const used = columns.map((_, i) => i >= groups || cells.some(row => row[i] !== ''))
  const kept = <T>(row: readonly T[]): T[] => row.filter((_, i) => used[i])
  for (const line of table(kept(columns), cells.map(kept))) out.say(line)
  notes.forEach((note, i) => {
    out.say(`[${i + 1}] ${shown(note)}`)
  })
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new ShoalError('USAGE', `--set ${text}: it must be NAME=VALUE`)
  return [text.slice(0, at), text.slice(at + 1)]
}

function progressLine(name: string, share: number, at: { done: number; columns: number; tookMs: number }): string {
  const { done, columns, tookMs } = at
  const left = share > 0.02 ? `, about ${durationText((tookMs / share) * (1 - share))} left` : ''
  const text = ` ${Math.floor(share * 100)} % of ${name}, ${countText(done, 'run')} done${left}`
  const width = Math.min(MOST_BAR_COLUMNS, columns - text.length - 2)
  if (width < 5) return text.trim()
  const full = Math.round(share * width)
  return `[${'#'.repeat(full)}${' '.repeat(width - full)}]${text}`
}

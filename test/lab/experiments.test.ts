import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Experiment, Row } from '../../src/lab/experiment.ts'
import { experiments } from '../../src/lab/experiments/index.ts'
import { findExperiment, LabError } from '../../src/lab/find.ts'
import { runTasks } from '../../src/lab/pool.ts'
import { settingsWith } from '../../src/lab/settings.ts'
import { summarise } from '../../src/lab/summary.ts'
import { runTask, tasksOf } from '../../src/lab/task.ts'

/** Small enough for a second each. */
const SMALL: Record<string, Record<string, string>> = {
  graph: { peers: '150', cycles: '3', sources: '20' },
  healing: { peers: '150', dead: '0.5,0.9', settle: '3', cycles: '3' },
  'flood-reach': { peers: '400', neighbours: '5', floods: '3', steps: '5' },
  flooding: { topologies: 'random', ttl: '4', floods: '2' },
  walks: {
    peers: '300',
    copies: '0.01',
    searches: '3',
    topologies: 'random',
    methods: '32 walkers + 1 hop,1 walker + 3 hops'
  },
  upkeep: { peers: '200', copies: '0.02', objects: '10', searches: '5' },
  churn: { peers: '80', minutes: '1', searches: '5' },
  attack: { peers: '80', factor: '100', seconds: '5', attackers: '2' },
  'ring-path': { peers: '64,300', lookups: '50' },
  'ring-failures': { peers: '100', dead: '0,0.5', lookups: '50' },
  'ring-churn': { peers: '60', successors: '8', rates: '0.1', lookups: '30' },
  'ring-load': { peers: '200', keys: '4000', ids: '1,4' },
  'ring-merge': { peers: '40', parts: '50/50', apartSeconds: '60' },
  'ring-liars': { nodes: '80', keys: '12', hostile: '0.25', around: '0,16', methods: 'plain,4 routes' },
  'ring-storage': { nodes: '200', records: '4000', copies: '1,4' },
  'ring-upkeep': { nodes: '20', records: '0,20', minutes: '1', days: '0.002' },
  'superpeer-search': { peers: '200', supers: '10', queries: '5', wants: '8', hops: '2' },
  'superpeer-rules': {
    peers: '600',
    redesigned: '800',
    clusters: '1,10,600',
    redundant: '10,100',
    outdegrees: '3.1,10',
    ttls: '1,3'
  }
}

function run(experiment: Experiment, seed = 1): Row[] {
  const settings = settingsWith(experiment, SMALL[experiment.name] ?? {})
  return tasksOf(experiment, { source: experiment.name, settings, seeds: [seed] }).flatMap(task =>
    runTask(experiment, task)
  )
}

for (const experiment of experiments) {
  test(`${experiment.name}: a seed gives the same measurements each time, and only columns that are declared`, () => {
    const rows = run(experiment)
    assert.deepEqual(run(experiment), rows)
    assert.notDeepEqual(run(experiment, 2), rows)
    const columns = new Set(['seed', ...Object.keys(experiment.by), ...Object.keys(experiment.values)])
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        assert.ok(columns.has(column), `column ${column}`)
        assert.ok(typeof value === 'string' || Number.isFinite(value), `${column}: ${value}`)
      }
    }
    // each value is measured, and each published figure meets a row of the full set-up
    for (const value of Object.keys(experiment.values))
      assert.ok(
        rows.some(row => row[value] !== undefined),
        value
      )
    const cases = experiment.cases?.(experiment.settings) ?? [{}]
    for (const { where = {}, value } of experiment.published ?? []) {
      const isMet = cases.some(one =>
        Object.entries(where).every(([column, is]) => !(column in one) || one[column] === is)
      )
      assert.ok(isMet, `the figure of ${value} for ${JSON.stringify(where)}`)
    }
  })
}

test('measurements are what they were', async () => {
  const flooding = await findExperiment('flooding')
  const [row] = run(flooding)
  assert.deepEqual(row, {
    seed: 1,
    topology: 'random',
    ttl: 4,
    success: 0.5,
    hops: 2,
    messages: 0.05098617324115494,
    duplicates: 0.029910269192422678,
    visited: 486.5
  })
})

test('results do not depend on the number of processes', async () => {
  const experiment = await findExperiment('flood-reach')
  const settings = settingsWith(experiment, { ...SMALL['flood-reach'], neighbours: '3,4' })
  const tasks = tasksOf(experiment, { source: 'flood-reach', settings, seeds: [1, 2] })
  const here = tasks.map(task => runTask(experiment, task))
  let last = 0
  assert.deepEqual(await runTasks(tasks, { jobs: 1 }), here)
  assert.deepEqual(
    await runTasks(tasks, {
      jobs: 3,
      onProgress: share => {
        last = share
      }
    }),
    here
  )
  assert.equal(last, 1)
  const means = summarise(experiment, settings, here.flat()).map(({ mean, count }) => [mean, count])
  assert.ok(means.every(([, count]) => count === 2))
})

test('what goes wrong in a run is told with its seed and case', async () => {
  const task = {
    experiment: 'flooding',
    settings: { copies: 0, floods: 1 },
    case: { topology: 'heap', ttl: 1 },
    seed: 7
  }
  await assert.rejects(runTasks([task], { jobs: 1 }), (error: Error) => {
    assert.ok(error instanceof LabError)
    assert.match(error.message, /^seed 7, \{"topology":"heap","ttl":1\}: no topology heap/)
    return true
  })
})

test('a measurement that is no number, or of nothing declared, is refused', () => {
  const definition: Experiment = {
    name: 'bad',
    summary: '',
    settings: {},
    seeds: 1,
    by: {},
    values: { x: { title: 'x' } },
    run: () => ({ x: 0 / 0 })
  }
  const task = { experiment: 'bad', settings: {}, case: {}, seed: 1 }
  assert.throws(() => runTask(definition, task), /x is NaN/)
  assert.throws(() => runTask({ ...definition, run: () => ({ x: 1, y: 1 }) }, task), /y is neither in/)
  assert.deepEqual(runTask({ ...definition, run: () => [{ x: 1 }] }, task), [{ seed: 1, x: 1 }])
})

test('an interrupt ends the runs', async () => {
  const experiment = await findExperiment('graph')
  const [task] = tasksOf(experiment, { source: 'graph', settings: experiment.settings, seeds: [1] })
  const interrupt = new AbortController()
  const running = runTasks([task!], { jobs: 1, signal: interrupt.signal, onProgress: () => interrupt.abort() })
  await assert.rejects(running, { name: 'AbortError' })
  await assert.rejects(runTasks([task!], { signal: interrupt.signal }), { name: 'AbortError' })
})

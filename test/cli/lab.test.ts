import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { experiments } from '../../src/lab/experiments/index.ts'
import { records, shoal } from './terminal.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-lab-')))
after(() => rmSync(folder, { recursive: true }))
const LAB = resolve(import.meta.dirname, '../../src/lab')
let outs = 0

function newOut(): string {
  const out = join(folder, `out${outs++}`)
  mkdirSync(out)
  return out
}

/** The experiment of the README, as a file of the user's own. */
function ownExperiment(): string {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(LAB, 'README.md'), 'utf8')) as unknown as [
    string,
    string
  ]
  const file = join(folder, 'crashes.ts')
  const experimentsUrl = pathToFileURL(`${join(LAB, 'experiments')}/`)
  writeFileSync(
    file,
    code.replace(/from '(\.[^']+)'/g, (_, path: string) => `from '${new URL(path, experimentsUrl).href}'`)
  )
  return file
}

test('without a name it lists the experiments, a line each', async () => {
  const { code, out, err } = await shoal(['lab'])
  assert.deepEqual([code, err], [0, ''])
  for (const { name, summary } of experiments) assert.match(out, new RegExp(`^${name} +${escaped(summary)}$`, 'm'))
  const listed = records((await shoal(['lab', '--json'])).out)
  assert.deepEqual(
    listed.map(({ type, name }) => [type, name]),
    experiments.map(({ name }) => ['experiment', name])
  )
})

test('the experiment of the README runs as it stands, and its files are written', async () => {
  const out = newOut()
  const ran = await shoal(['lab', ownExperiment(), '--seeds', '3', '--seed', '5', '--peers', '100', '--out', out])
  assert.deepEqual([ran.code, ran.err], [0, ''])
  assert.match(ran.out, /^crashes: how many of those that are left a flood reaches after some peers crashed$/m)
  assert.match(ran.out, /^0 +reached +100\.0 % +0\.0 % +100\.0 % +\+0\.0 % +closed form: /m)
  assert.match(ran.out, /^0\.75 +reached +\d+\.\d % +\d+\.\d %/m)
  assert.match(ran.out, /^3 seeds, /m)
  assert.deepEqual(readdirSync(out).sort(), ['crashes.csv', 'crashes.html'])
  const lines = readFileSync(join(out, 'crashes.csv'), 'utf8').split('\r\n')
  assert.equal(lines[0], 'seed,crashed,reached')
  assert.deepEqual(
    lines.slice(1, 5).map(line => line.split(',').slice(0, 2).join()),
    ['5,0', '5,0.25', '5,0.5', '5,0.75']
  )
  assert.match(
    readFileSync(join(out, 'crashes.html'), 'utf8'),
    /<code>shoal lab .*crashes\.ts --set peers=100 --seeds 3 --seed 5</
  )
})

test('records for programs: measurements, results, the end', async () => {
  const args = [
    'lab',
    'flood-reach',
    '--peers',
    '200',
    '--set',
    'neighbours=4',
    '--set',
    'steps=2',
    '--set',
    'floods=2'
  ]
  const ran = await shoal([...args, '--seeds', '2', '--jobs', '2', '--json', '--out', newOut()])
  assert.equal(ran.code, 0, ran.err)
  const all = records(ran.out)
  assert.deepEqual(
    all.map(({ type }) => type),
    [...Array(4).fill('measurement'), ...Array(4).fill('result'), 'experimentDone']
  )
  assert.deepEqual(all[0], {
    v: 1,
    type: 'measurement',
    experiment: 'flood-reach',
    seed: 1,
    d: 4,
    k: 1,
    reached: 4,
    bound: 4
  })
  const { group, mean, halfWidth, count } = all[4] as { group: object; mean: number; halfWidth: number; count: number }
  assert.deepEqual([group, mean, halfWidth, count], [{ d: 4, k: 1 }, 4, 0, 2])
})

test('what cannot be asked for', async () => {
  for (const [args, message] of [
    [['nothing'], /there is no experiment "nothing": graph, /],
    [['./none.ts'], /cannot load \.\/none\.ts/],
    [['flooding', '--peers', '7'], /flooding has no setting peers: topologies, /],
    [['graph', '--set', 'cycles'], /--set cycles: it must be NAME=VALUE/],
    [['graph', '--set', 'cycles=x'], /cycles: x is no number/]
  ] as const) {
    const { code, err } = await shoal(['lab', ...args, '--out', newOut()])
    assert.equal(code, 2)
    assert.match(err, message)
  }
})

test('a folder that cannot be one is told before anything runs', async () => {
  const file = join(newOut(), 'file')
  writeFileSync(file, '')
  const ran = await shoal(['lab', 'graph', '--out', file])
  assert.equal(ran.code, 10)
  assert.match(ran.err, /cannot write to .*file: EEXIST/)
})

test('an interrupt ends it', async () => {
  const interrupt = new AbortController()
  const ran = shoal(['lab', 'graph', '--out', newOut()], {
    isTTY: true,
    interrupted: interrupt.signal,
    onOutput: (_, err) => {
      if (err.includes('% of graph')) interrupt.abort()
    }
  })
  assert.equal((await ran).code, 7)
})

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csv } from '../../src/lab/csv.ts'
import { experiment, type Row } from '../../src/lab/experiment.ts'
import { LabError } from '../../src/lab/find.ts'
import { html } from '../../src/lab/html.ts'
import { settingsWith } from '../../src/lab/settings.ts'
import { estimate, studentT } from '../../src/lab/statistics.ts'
import { summarise } from '../../src/lab/summary.ts'
import { tableRows } from '../../src/lab/text.ts'

const sample = experiment({
  name: 'sample',
  summary: 'a "sample" of <things> & more',
  settings: { peers: 100, loss: [0, 0.5], kinds: ['a', 'b'] },
  seeds: 3,
  by: { kind: 'kind', loss: 'loss' },
  values: {
    share: { title: 'share', as: 'percent' },
    hops: { title: 'hops', as: { digits: 1 } },
    raw: { title: 'raw', print: false }
  },
  run: () => [],
  published: [
    { value: 'hops', where: { kind: 'a' }, figure: 2, evidence: 'paper', source: 'A, table 1', why: 'because' },
    { value: 'hops', where: { kind: 'a' }, figure: 9, evidence: 'recalled', source: 'B', setup: { peers: 10_000 } },
    { value: 'hops', where: { kind: 'a' }, figure: 7, evidence: 'paper', source: 'C', reproduces: false },
    { value: 'share', figure: ({ peers }) => peers / 200, evidence: 'closed form', source: 'half' }
  ],
  plots: [
    { title: 'Lines <1>', x: 'loss', y: ['share', 'hops'], series: 'kind' },
    { title: 'Bars', x: 'kind', y: ['hops'], kind: 'bar' }
  ]
})
const ROWS: Row[] = [
  { seed: 1, kind: 'a', loss: 0, share: 0.4, hops: 2, raw: 1 },
  { seed: 1, kind: 'b', loss: 0, share: 0.5 },
  { seed: 2, kind: 'a', loss: 0, share: 0.6, hops: 3, raw: 1 },
  { seed: 2, kind: 'b', loss: 0, share: 0.5 },
  { seed: 1, kind: 'a', loss: 0.5, share: 0.5, hops: 2 }
]
const results = summarise(sample, sample.settings, ROWS)

test('Student’s t', () => {
  assert.equal(studentT(1), 12.706)
  // from tables: 2.0003 for 60, 1.9840 for 100
  assert.ok(Math.abs(studentT(60) - 2.0003) < 1e-4)
  assert.ok(Math.abs(studentT(100) - 1.984) < 1e-4)
  const { mean, halfWidth } = estimate([1, 2, 3, 4, 5])
  assert.equal(mean, 3)
  assert.ok(Math.abs((halfWidth as number) - (2.776 * Math.sqrt(2.5)) / Math.sqrt(5)) < 1e-9)
  assert.equal(estimate([1]).halfWidth, undefined)
})

test('groups are over the seeds, with what is published', () => {
  assert.deepEqual(
    results.map(({ group, value, mean, count }) => [group.kind, group.loss, value, mean, count]),
    [
      ['a', 0, 'share', 0.5, 2],
      ['a', 0, 'hops', 2.5, 2],
      ['a', 0, 'raw', 1, 2],
      ['b', 0, 'share', 0.5, 2],
      ['a', 0.5, 'share', 0.5, 1],
      ['a', 0.5, 'hops', 2, 1]
    ]
  )
  const [first, hops] = results
  assert.deepEqual(first?.figures, [
    { figure: 0.5, evidence: 'closed form', source: 'half', deviation: 0, note: undefined }
  ])
  assert.deepEqual(
    hops?.figures.map(({ deviation, note }) => [deviation, note]),
    [
      [0.25, 'because'],
      [undefined, 'the figure is for peers 10000'],
      [undefined, '']
    ]
  )
})

test('the table says where a figure comes from and why ours is another', () => {
  const { rows, notes } = tableRows(sample, results)
  assert.deepEqual(rows[0], {
    group: ['a', '0'],
    value: 'share',
    ours: '50.0 %',
    interval: '127.1 %',
    figure: '50.0 %',
    deviation: '+0.0 %',
    source: 'closed form: half'
  })
  assert.deepEqual(
    rows.slice(1, 4).map(({ value, ours, figure, deviation, source }) => [value, ours, figure, deviation, source]),
    [
      ['hops', '2.5', '2.0', '+25.0 % [1]', 'paper: A, table 1'],
      ['', '', '9.0', '[2]', 'recalled: B'],
      ['', '', '7.0', '', 'paper: C']
    ]
  )
  assert.deepEqual(notes, ['because', 'the figure is for peers 10000'])
  assert.ok(!rows.some(({ value }) => value === 'raw'))
})

test('CSV', () => {
  assert.equal(
    csv(sample, [...ROWS.slice(0, 2), { seed: 3, kind: 'a, "b"\n', loss: 1 }]),
    'seed,kind,loss,share,hops,raw\r\n1,a,0,0.4,2,1\r\n1,b,0,0.5,,\r\n3,"a, ""b""\n",1,,,\r\n'
  )
})

test('HTML is one well-formed page with its plots and no reference to anything else', () => {
  const page = html({ experiment: sample, settings: sample.settings, seeds: [1, 2], command: 'shoal lab "x"', results })
  assertWellFormed(page)
  assert.equal(page.match(/<svg /g)?.length, 2)
  assert.match(page, /a &quot;sample&quot; of &lt;things&gt; &amp; more/)
  assert.match(page, /Lines &lt;1&gt;/)
  assert.match(page, /share, a/)
  assert.match(page, />published<\/text>/)
  assert.doesNotMatch(page, /<(script|link|img|iframe)|(?<!xmlns(:xlink)?=)"https?:/)
  const again = html({
    experiment: sample,
    settings: sample.settings,
    seeds: [1, 2],
    command: 'shoal lab "x"',
    results
  })
  assert.equal(again, page)
})

test('settings', () => {
  assert.deepEqual(settingsWith(sample, { peers: '7', loss: '0.1,0.2', kinds: 'b' }), {
    peers: 7,
    loss: [0.1, 0.2],
    kinds: ['b']
  })
  assert.equal(sample.settings.peers, 100)
  for (const [name, value] of [
    ['peers', 'x'],
    ['loss', '1,'],
    ['seed', '1'],
    ['toString', '1']
  ] as const) {
    assert.throws(() => settingsWith(sample, { [name]: value }), LabError)
  }
})

test('an experiment that speaks of columns that it does not have is refused', () => {
  const base = { name: 'x', summary: '', settings: {}, seeds: 1, by: {}, values: {}, run: () => [] }
  assert.throws(
    () => experiment({ ...base, published: [{ value: 'y', figure: 1, evidence: 'goal', source: '' }] }),
    /no column y/
  )
  assert.throws(() => experiment({ ...base, plots: [{ title: '', x: 'z', y: [] }] }), /no column z/)
})

/** Every element that is opened is closed, in order; no bare `<` or `&`. */
function assertWellFormed(page: string): void {
  const open: string[] = []
  const rest = page.replace('<!doctype html>', '').replace(/<style[\s\S]*?<\/style>/g, '')
  for (const [, close, name, self] of rest.matchAll(/<(\/?)([a-z][\w-]*)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/gi)) {
    if (self === '/' || name === 'meta') continue
    if (close === '/') assert.equal(open.pop(), name)
    else open.push(name as string)
  }
  assert.deepEqual(open, [])
  const text = rest.replace(/<\/?[a-z][\w-]*(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/gi, '')
  assert.doesNotMatch(text, /[<>]|&(?!(amp|lt|gt|quot|#\d+|#x[\da-f]+);)/i)
}

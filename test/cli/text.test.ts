import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shown, shownJson } from '../../src/cli/escape.ts'
import { sharedText } from '../../src/cli/status-text.ts'
import { cut, pairs, table, widthOf } from '../../src/cli/table.ts'
import { usableColumns } from '../../src/cli/terminal.ts'
import { doneText, peerText, progressText } from '../../src/cli/transfer-text.ts'
import { bytesText, countText, durationText, rateText } from '../../src/cli/units.ts'
import { DONE, OTHER, STATUS, transfer } from '../daemon/fake-shoal.ts'

test('sizes and rates', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [999.4, '999 B'],
    [999.5, '1.0 kB'],
    [1_000, '1.0 kB'],
    [1_049, '1.0 kB'],
    [1_051, '1.1 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [1_500_000, '1.5 MB'],
    [999_949_999, '999.9 MB'],
    [2 ** 30, '1.1 GB'],
    [4e12, '4.0 TB'],
    [7e15, '7.0 PB'],
    [Number.MAX_SAFE_INTEGER, '9.0 PB'],
    [1e22, '10000.0 EB'],
    [-1, '–'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–']
  ]
  for (const [bytes, text] of cases) assert.equal(bytesText(bytes), text, String(bytes))
  assert.equal(rateText(12_300_000), '12.3 MB/s')
})

test('durations', () => {
  const cases: [number, string][] = [
    [0, '0.00 s'],
    [420, '0.42 s'],
    [9_994, '9.99 s'],
    [9_995, '10 s'],
    [59_499, '59 s'],
    [59_500, '1 min 0 s'],
    [185_000, '3 min 5 s'],
    [3_599_600, '1 h 0 min'],
    [7_500_000, '2 h 5 min'],
    [86_400_000, '1 d 0 h'],
    [-5, '–'],
    [Number.NaN, '–']
  ]
  for (const [ms, text] of cases) assert.equal(durationText(ms), text, String(ms))
  assert.equal(countText(1, 'file'), '1 file')
  assert.equal(countText(0, 'file'), '0 files')
})

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(unit => String.fromCharCode(unit)) }),
  fc.string({ unit: fc.constantFrom('\x1b', '[2K', '\r', '\n', '\u202e', '\u200b', '\\', '\\n', 'u{1b}', 'a', '\x9b') })
)
const CONTROL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

test('every control, format and separator character is written out, at every place', () => {
  const hostile = [
    ...Array.from({ length: 0x20 }, (_, i) => i),
    ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i),
    0xad,
    0x061c,
    ...[0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e],
    ...[0x2060, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff, 0x3164, 0x115f, 0xe0041, 0xd800, 0xfffe]
  ]
  for (const code of hostile) {
    const character = String.fromCodePoint(code)
    for (const name of [`${character}ab`, `a${character}b`, `ab${character}`]) {
      const text = shown(name)
      assert.ok(!text.includes(character), code.toString(16))
      assert.match(text, /\\/)
    }
  }
  assert.equal(shown('a\x1b[2Kb\nc'), 'a\\u{1b}[2Kb\\nc')
  assert.equal(shown('Ärger 日本 🦈 ñ.txt'), 'Ärger 日本 🦈 ñ.txt')
})

test('shown text has nothing in it that a terminal obeys, and is different for different texts', () => {
  fc.assert(
    fc.property(anyText, text => {
      assert.doesNotMatch(shown(text), CONTROL)
      assert.equal(readBack(shown(text)), text)
    }),
    { numRuns: 2_000 }
  )
})

test('shown JSON means the same and has no control in it', () => {
  fc.assert(
    fc.property(fc.dictionary(anyText, anyText), value => {
      const text = shownJson(value)
      assert.doesNotMatch(text, CONTROL)
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
    }),
    { numRuns: 2_000 }
  )
})

function readBack(text: string): string {
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\' }
  return text.replace(/\\(?:u\{([0-9a-f]+)\}|([nrt\\]))/g, (_, code: string | undefined, name: string) =>
    code === undefined ? (named[name] as string) : String.fromCodePoint(Number.parseInt(code, 16))
  )
}

test('tables line up, also with wide and combining characters', () => {
  const lines = table(
    [{ title: 'SIZE', right: true }, { title: 'NAME' }, { title: 'PATH' }],
    [
      ['1.0 kB', '日本', '/a'],
      ['22 B', 'e\u0301', '/b'],
      ['3 B', 'long name', '']
    ]
  )
  assert.deepEqual(lines, [
    '  SIZE  NAME       PATH',
    '1.0 kB  日本       /a',
    '  22 B  e\u0301          /b',
    '   3 B  long name'
  ])
  assert.deepEqual(
    pairs([
      ['a', '1'],
      ['long', '2'],
      ['', '3']
    ]),
    ['a     1', 'long  2', '      3']
  )
  assert.equal(widthOf('日本🦈'), 6)
  assert.equal(cut('日本日本', 5), '日本…')
  assert.equal(cut('abc', 3), 'abc')
  assert.deepEqual([undefined, 0, 5, 132].map(usableColumns), [80, 80, 80, 132])
})

test('a line of progress fits its columns and says what matters', () => {
  assert.equal(
    progressText(transfer(), 100),
    `a.mkv  [${'#'.repeat(15)}${'-'.repeat(15)}]   50 %  1.5 MB of 3.0 MB  1.0 MB/s  2 s left  1 source`
  )
  const stalled = transfer({ state: 'stalled', reason: 'nobody has\nthe rest', rate: 0, sources: [] })
  assert.match(progressText(stalled, 60), /50 %.*0 sources {2}stalled {2}nobody has\\nthe rest$/)
  assert.match(progressText(transfer({ size: 0, bytesDone: 0 }), 100), / 0 % {2}0 B of 0 B/)
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 200 }), fc.nat(3_000_000), anyText, (columns, bytesDone, name) => {
      const text = progressText(transfer({ bytesDone, name }), columns)
      assert.ok(widthOf(text) <= columns, text)
      assert.doesNotMatch(text, CONTROL)
    })
  )
})

test('what a transfer brought, from whom', () => {
  assert.ok(DONE.type === 'done')
  assert.deepEqual(doneText({ ...DONE, bytesWasted: 16_384 }), [
    '/out/a.mkv',
    `  2.0 MB from ${peerText(OTHER)}`,
    '  1.0 MB from …vnc6iDEp',
    '  3.0 MB in 3.00 s: 1.0 MB/s, 16.4 kB thrown away'
  ])
  assert.deepEqual(doneText({ ...DONE, transfer: transfer({ sources: [] }), bytesFetched: 0 }), [
    '/out/a.mkv',
    '  nothing to fetch: it was here already'
  ])
})

test('what is shared, and what is being looked at', () => {
  const text = (files: number, hashing: number, indexing?: string[]): string =>
    sharedText({ ...STATUS, shared: { files, bytes: files * 1_000, hashing } }, indexing)
  assert.match(text(0, 0), /^nothing yet; `shoal share PATH`/)
  assert.equal(text(0, 0, ['/films', '/a\x1b[2J']), 'indexing /films, /a\\u{1b}[2J …')
  assert.equal(text(2, 0, ['/films']), '2 files, 2.0 kB; indexing /films …')
  assert.equal(text(2, 1), '2 files, 2.0 kB, 1 file still to hash')
})

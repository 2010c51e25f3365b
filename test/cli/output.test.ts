import assert from 'node:assert/strict'

import { join } from 'node:path'
import { test } from 'node:test'
import type { SearchEvent } from '../../src/api.ts'
import { ERRORS, type ErrorCode, ShoalError } from '../../src/errors.ts'
import { DONE, OTHER, SHARE, STATUS, transfer } from '../daemon/fake-shoal.ts'
import { fake, folder, home, homes } from './running-peer.ts'
import { records, result, SEARCHED, shoal } from './terminal.ts'

test('every command prints records for programs, and nothing else', async () => {
  fake.searchEvents = [result(1, ['a']), SEARCHED]
  fake.getEvents = [{ type: 'progress', transfer: transfer() }, DONE]
  fake.peerList = [
    {
      peerId: OTHER,
      address: '/x',
      direction: 'inbound',
      foundBy: 'mdns',
      neighbour: true,
      connectedForMs: 1,
      down: 1,
      up: 0
    }
  ]
  fake.transferList = [transfer()]
  const cases: [args: string[], types: string[]][] = [
    [
      ['search', 'x'],
      ['result', 'done']
    ],
    [
      ['get', '1'],
      ['progress', 'done']
    ],
    [['ls', '1'], ['listing']],
    [['share', 'x'], ['shared']],
    [['shares'], ['share']],
    [['torrent', 'x', join(folder, 'json.torrent')], ['torrent']],
    [['unshare', 'x'], ['unshared']],
    [
      ['forget', 'x', 'y'],
      ['forgotten', 'forgotten']
    ],
    [['peers'], ['peer']],
    [['status'], ['status', 'transfer']],
    [['group', 'new', join(folder, `json${homes}.key`)], ['group-key']],
    [['version'], ['version']]
  ]
  for (const [args, types] of cases) {
    const ran = await shoal([...args, '--json', '--home', home], { isTTY: true })
    assert.equal(ran.code, 0, ran.err)
    assert.equal(ran.err, '', args.join(' '))
    const seen = records(ran.out)
    assert.deepEqual(
      seen.map(record => record.type),
      types
    )
    for (const record of seen) assert.equal(record.v, 1)
  }
  const [searched] = records((await shoal(['search', 'x', '--json', '--home', home])).out)
  assert.deepEqual(searched, { v: 1, ...result(1, ['a']) })
})

test('every error of the table: its exit code, one line what, one line what next; the same for programs', async () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    fake.failure = new ShoalError(code, `because\nof ${code}`)
    const { exit, next } = ERRORS[code]
    const ran = await shoal(['status', '--home', home])
    assert.deepEqual(ran, { code: exit, out: '', err: `shoal: because\\nof ${code}\n  ${next}\n` })
    const json = await shoal(['status', '--home', home, '--json'])
    assert.equal(json.code, exit)
    assert.equal(json.out, '')
    assert.deepEqual(records(json.err), [{ v: 1, type: 'error', code, message: `because\nof ${code}`, next }])
  }
  const debug = await shoal(['status', '--home', home], { env: { SHOAL_DEBUG: '1' } })
  assert.match(debug.err, /ShoalError: because/)
})

test('wrong usage exits with 2 and says what is wrong', async () => {
  const cases: [string[], RegExp][] = [
    [['serach'], /unknown command 'serach' \(Did you mean search\?\)/],
    [['status', '--jsn'], /unknown option '--jsn'/],
    [['get'], /missing required argument 'targets'/],
    [['ls', '1', '2'], /too many arguments/],
    [['search', 'x', '--ttl', '-3'], /whole number of at least 0/],
    [['search', 'x', '--limit', '1e3'], /whole number of at least 1/],
    [['search', 'x', '--timeout', 'soon'], /number of seconds/],
    [['search', 'x', '--home', ''], /home directory has no name/],
    [['group'], /a command is missing/],
    [['x\x1b[2J'], /unknown command 'x\\u\{1b\}\[2J'/]
  ]
  for (const [args, says] of cases) {
    const ran = await shoal(args)
    assert.equal(ran.code, 2, args.join(' '))
    assert.match(ran.err, says)
    assert.ok(!ran.err.includes('\x1b'))
    const json = await shoal([...args, '--json'])
    assert.equal(json.code, 2)
    if (args[0] !== 'group') assert.equal(records(json.err)[0]?.code, 'USAGE')
  }
})

test('help is no error, and lists the exit codes', async () => {
  for (const args of [[], ['--help'], ['help'], ['help', 'get'], ['get', '--help']]) {
    const ran = await shoal(args)
    assert.equal(ran.code, 0, args.join(' '))
    assert.match(ran.out, /^Usage: shoal/)
    assert.equal(ran.err, '')
  }
  const { out } = await shoal(['--help'])
  for (const [code, { exit }] of Object.entries(ERRORS)) assert.match(out, new RegExp(`\\b${exit}  .*\\b${code}\\b`))
})

const EVIL = 'evil\x1b]0;owned\x07\x1b[2J\r\n\u202egpj.exe\u200b\x9b31m'

/** Every text of a value that is not one of a closed set, made hostile. */
function poisoned<T>(value: T): T {
  if (typeof value === 'string') return `${value}${EVIL}` as T
  if (Array.isArray(value)) return value.map(poisoned) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, it]) => [key, key === 'type' || key === 'state' ? it : poisoned(it)])
  ) as T
}

test('no text from outside reaches a terminal as it is', async () => {
  fake.current = poisoned({
    ...STATUS,
    discovery: [{ name: 'w', working: false, problem: 'p' }],
    problems: [{ code: 'X', message: 'm', next: 'n' }]
  })
  fake.peerList = poisoned([
    {
      peerId: OTHER,
      address: '/x',
      direction: 'inbound' as const,
      foundBy: 'mdns' as const,
      neighbour: true,
      connectedForMs: 1,
      down: 1,
      up: 0,
      penalties: [{ reason: 'r', count: 1 }]
    }
  ])
  fake.shareList = poisoned(fake.shareList)
  fake.listing = poisoned(fake.listing)
  fake.transferList = poisoned([transfer({ state: 'failed', reason: 'r', next: 'n' })])
  fake.shareEvents = poisoned([
    { type: 'problem', path: 'p', code: 'c', message: 'm' },
    { type: 'scanned', path: 'p', files: 1, bytes: 1, skipped: 0 },
    { type: 'hashing', path: 'p', filesDone: 1, files: 2, bytesDone: 1, bytes: 2, rate: 1 },
    { type: 'shared', share: SHARE }
  ])
  fake.searchEvents = poisoned([result(1, ['a']), { ...SEARCHED, hint: 'h' } as SearchEvent])
  fake.getEvents = poisoned([
    { type: 'progress', transfer: transfer({ state: 'stalled', reason: 'r' }) },
    { type: 'liar', peerId: OTHER, reason: 'r' },
    DONE
  ])
  const commands = [
    ['search', 'x'],
    ['get', '1'],
    ['ls', '1'],
    ['share', 'x'],
    ['shares', '--files', '--magnets'],
    ['torrent', `x${EVIL}`, join(folder, `evil${EVIL}.torrent`)],
    ['unshare', `x${EVIL}`],
    ['forget', `x${EVIL}`],
    ['peers'],
    ['status'],
    ['get', EVIL],
    [EVIL],
    ['status', `--x${EVIL}`]
  ]
  const runAll = async (isTTY: boolean, args: string[]): Promise<string> => {
    const ran = await shoal([...args, '--home', home], { isTTY, env: { NO_COLOR: '1' } })
    return ran.out + ran.err
  }
  for (const command of commands) {
    for (const args of [command, [...command, '--json']]) {
      const text = await runAll(false, args)
      assert.ok(text.includes('evil'), args.join(' '))
      assert.doesNotMatch(text, /[\p{Cc}\p{Cf}](?<!\n)/u, args.join(' '))
      // a terminal is sent to the start of its line, and has the rest of it cleared, and nothing else
      const onTerminal = (await runAll(true, args)).replaceAll('\x1b[K', '').replaceAll('\r', '')
      assert.doesNotMatch(onTerminal, /[\p{Cc}\p{Cf}](?<!\n)/u, args.join(' '))
    }
  }
  fake.failure = new ShoalError('NOT_FOUND', EVIL)
  const failed = await shoal(['status', '--home', home], { env: { SHOAL_DEBUG: '1' } })
  assert.doesNotMatch(failed.err, /[\p{Cc}\p{Cf}](?<!\n)/u)
})

test('colour only on a terminal, and not where NO_COLOR or a dumb terminal says no', async () => {
  const coloured = async (options: object): Promise<boolean> =>
    (await shoal(['shares', '--home', home], options)).out.includes('\x1b[')
  assert.equal(await coloured({ isTTY: true }), true)
  assert.equal(await coloured({ isTTY: false }), false)
  assert.equal(await coloured({ isTTY: true, env: { NO_COLOR: '1' } }), false)
  assert.equal(await coloured({ isTTY: true, env: { TERM: 'dumb' } }), false)
})

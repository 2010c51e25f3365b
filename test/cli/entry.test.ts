import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect } from '../../src/daemon/client.ts'
import { socketPathOf } from '../../src/home.ts'
import { eventually } from '../../src/testkit/wait.ts'

const ROOT = join(import.meta.dirname, '../..')
const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version
const folder = mkdtempSync(join(tmpdir(), 'shoal-entry-'))
after(() => rmSync(folder, { recursive: true }))

/** Makes a Node believe that it is an old one. What it starts is not made to. */
const OLD = join(folder, 'old.cjs')
writeFileSync(OLD, `Object.defineProperty(process.versions, 'node', { value: '18.20.0' })`)

function entry(args: string[], { old = false, path = join(ROOT, 'bin/shoal.js') } = {}) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...(old ? ['--require', OLD] : []), path, ...args],
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }
  )
  return { status, signal, stdout, stderr }
}

test('both entries run the command', () => {
  const expected = { status: 0, signal: null, stdout: `shoal ${VERSION}\n`, stderr: '' }
  assert.deepEqual(entry(['version']), expected)
  assert.deepEqual(entry(['version'], { path: join(ROOT, 'bin/shoal.ts') }), expected)
})

test('under an old Node the one beside the package is used, and its exit code handed on', () => {
  assert.deepEqual(entry(['version'], { old: true }), {
    status: 0,
    signal: null,
    stdout: `shoal ${VERSION}\n`,
    stderr: ''
  })
  assert.equal(entry(['serach'], { old: true }).status, 2)
})

test('under an old Node that is alone, it is said what to do', () => {
  const bin = join(folder, 'alone/bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(folder, 'alone/package.json'), '{"type":"module"}')
  copyFileSync(join(ROOT, 'bin/shoal.js'), join(bin, 'shoal.js'))
  const ran = entry(['version'], { old: true, path: join(bin, 'shoal.js') })
  assert.equal(ran.status, 2)
  assert.match(ran.stderr, /^shoal: Node\.js 24 or newer is needed.*\n {2}Install it from https:\/\/nodejs\.org/)
})

test('a command that is killed under an old Node looks killed', () => {
  const bin = join(folder, 'killed/bin')
  mkdirSync(bin, { recursive: true })
  mkdirSync(join(folder, 'killed/node_modules/node/bin'), { recursive: true })
  symlinkSync(process.execPath, join(folder, 'killed/node_modules/node/bin/node'))
  writeFileSync(join(folder, 'killed/package.json'), '{"type":"module"}')
  copyFileSync(join(ROOT, 'bin/shoal.js'), join(bin, 'shoal.js'))
  writeFileSync(join(bin, 'shoal.ts'), `process.kill(process.pid, 'SIGKILL')`)
  assert.equal(entry([], { old: true, path: join(bin, 'shoal.js') }).signal, 'SIGKILL')
})

test('a peer that was started under an old Node stops when that one is killed', async () => {
  const home = join(folder, 'orphan')
  const args = [
    '--require',
    OLD,
    join(ROOT, 'bin/shoal.js'),
    'up',
    '--interface',
    'lo',
    '--no-discovery',
    '--home',
    home
  ]
  const outer = spawn(process.execPath, args, { stdio: 'ignore' })
  let inner: number | undefined
  try {
    const shoal = await eventually('it is up', () => connect(socketPathOf(home)))
    inner = (await shoal.status()).pid
    await shoal.close()
    assert.notEqual(inner, outer.pid)
    const ended = once(outer, 'exit')
    outer.kill('SIGKILL')
    await ended
    await eventually('it has stopped', () => !isRunning(inner as number), 20_000)
    inner = undefined
  } finally {
    outer.kill('SIGKILL')
    if (inner !== undefined) process.kill(inner, 'SIGKILL')
  }
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // nobody may have taken its exit code yet
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('the version is told without loading the network', () => {
  const loaded = join(folder, 'loaded.mjs')
  writeFileSync(
    loaded,
    `import { registerHooks } from 'node:module'
     registerHooks({ load (url, context, next) { process.stderr.write(url + '\\n'); return next(url, context) } })`
  )
  const { stderr } = spawnSync(process.execPath, ['--import', loaded, join(ROOT, 'bin/shoal.js'), 'version'], {
    encoding: 'utf8'
  })
  assert.match(stderr, /src\/cli\/commands\/version\.ts/)
  assert.doesNotMatch(stderr, /node_modules\/(?!commander\/)|src\/node\.ts|protocols\//)
})

test('an exception that nobody catches ends the process with 1 and a message', () => {
  for (const fault of [
    `setTimeout(() => { throw new Error('lost\\x1b[2J') })`,
    `Promise.reject(new Error('lost\\x1b[2J'))`
  ]) {
    const script = join(folder, 'fault.mjs')
    writeFileSync(
      script,
      `import { reportFaults } from ${JSON.stringify(join(ROOT, 'src/cli/faults.ts'))}
       import { processIo } from ${JSON.stringify(join(ROOT, 'src/cli/terminal.ts'))}
       reportFaults(processIo())
       process.emitWarning('of no use to a user')
       setInterval(() => {}, 1000)
       ${fault}`
    )
    const ran = spawnSync(process.execPath, [script], { encoding: 'utf8', env: { ...process.env, SHOAL_DEBUG: '' } })
    assert.equal(ran.status, 1, ran.stderr)
    assert.match(ran.stderr, /^shoal: lost\\u\{1b\}\[2J\n {2}This is a fault of shoal/)
  }
})

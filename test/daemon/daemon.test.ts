import assert from 'node:assert/strict'
import { mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request } from 'node:http'
import { connect as connectSocket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, afterEach, test } from 'node:test'
import type { SearchEvent, Shoal } from '../../src/api.ts'
import { connect } from '../../src/daemon/client.ts'
import { MAX_BODY_BYTES, PROTOCOL } from '../../src/daemon/protocol.ts'
import { type ServeOptions, type ShoalServer, serve } from '../../src/daemon/server.ts'
import { ERRORS, type ErrorCode, ShoalError } from '../../src/errors.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { ANSWER, DONE, FakeShoal, ID, PLACEMENT, RING, SHARE, STATUS, transfer } from './fake-shoal.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-daemon-')))
const closers: (() => Promise<void>)[] = []
let sockets = 0

after(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function start(
  options: ServeOptions = {},
  fake: Shoal & { asked: unknown[][] } = new FakeShoal()
): Promise<{ fake: FakeShoal; shoal: Shoal; path: string; server: ShoalServer }> {
  const path = join(folder, `${sockets++}.sock`)
  const server = await serve(fake, path, options)
  const shoal = await connect(path)
  assert.ok(shoal !== undefined)
  closers.push(
    () => shoal.close(),
    () => server.close()
  )
  return { fake: fake as FakeShoal, shoal, path, server }
}

const BY = { how: 'flood', via: 'x' } as const

function result(number: number): SearchEvent {
  const known = {
    number,
    id: ID,
    name: `film ${number}`,
    size: 5,
    holders: ['x'],
    mine: false,
    hops: 1,
    foundBy: BY,
    relevance: 1
  }
  return { type: 'result', result: { ...known, proven: 1, state: 'proven' } }
}

const SEARCHED: SearchEvent = {
  type: 'done',
  results: 2,
  peersAsked: 3,
  messages: 7,
  isWhole: true,
  waves: [],
  elapsedMs: 20
}

test('every method of a peer comes through the socket as it is', async () => {
  const { fake, shoal } = await start()
  fake.transferList = [transfer()]
  fake.searchEvents = [result(1), result(2), SEARCHED]
  assert.deepEqual(await shoal.status(), STATUS)
  assert.deepEqual(await shoal.peers(), [])
  assert.deepEqual(await shoal.shares(), [SHARE])
  assert.deepEqual(await shoal.transfers(), [transfer()])
  assert.deepEqual(await shoal.ls('3'), fake.listing)
  assert.deepEqual((await shoal.forget('films', { delete: true })).deleted, ['/out/a.part'])
  assert.equal((await shoal.torrent('films')).infohash, ID)
  assert.deepEqual(await shoal.unshare(['/data/films']), ['/data/films'])
  assert.deepEqual(await Array.fromAsync(shoal.share(['/data/films'], { hidden: true })), fake.shareEvents)
  assert.deepEqual(await Array.fromAsync(shoal.search('film', { limit: 5, ttl: 2 })), fake.searchEvents)
  assert.deepEqual(await Array.fromAsync(shoal.get(ID, { out: '/out', files: ['a'] })), [DONE])
  assert.deepEqual(await shoal.ring(), RING)
  assert.deepEqual(await shoal.directoryGet('sea', { careful: true }), ANSWER)
  assert.equal((await shoal.directoryPut({ kind: 'own', name: 'profile', payload: 'AAAA' })).copies, 4)
  assert.equal((await shoal.directoryAppend('sea', ['AAAA'])).key, ID)
  assert.equal(await shoal.directoryRemove('sea', ['AAAA']), ID)
  assert.equal(await shoal.directoryRemove('sea'), ID)
  assert.deepEqual(await Array.fromAsync(shoal.put('/data/films', { copies: 2 })), fake.putEvents)
  assert.deepEqual(await shoal.copies({ recover: true }), [PLACEMENT])
  assert.deepEqual(await shoal.drop('films'), PLACEMENT)
  assert.deepEqual(fake.asked, [
    ['status'],
    ['peers'],
    ['shares'],
    ['transfers'],
    ['ls', '3'],
    ['forget', 'films', { delete: true }],
    ['torrent', 'films'],
    ['unshare', ['/data/films']],
    ['share', ['/data/films'], { hidden: true }],
    ['search', 'film', { limit: 5, ttl: 2 }],
    ['get', ID, { out: '/out', cwd: process.cwd(), files: ['a'] }],
    ['ring'],
    ['directoryGet', 'sea', { careful: true }],
    ['directoryPut', { kind: 'own', name: 'profile', payload: 'AAAA' }],
    ['directoryAppend', 'sea', ['AAAA']],
    ['directoryRemove', 'sea', ['AAAA']],
    ['directoryRemove', 'sea', undefined],
    ['put', '/data/films', { copies: 2 }],
    ['copies', { recover: true }],
    ['drop', 'films']
  ])
  assert.equal(fake.stopped, 0)
})

test('relative paths mean what they mean to the caller', async () => {
  const { fake, shoal } = await start()
  writeFileSync(join(folder, 'shared.txt'), '')
  symlinkSync(join(folder, 'shared.txt'), join(folder, 'link'))
  await Array.fromAsync(shoal.share(['bin']))
  await shoal.unshare([join(folder, 'link'), 'films', './gone'])
  await shoal.ls('films.torrent')
  await Array.fromAsync(shoal.get('./films.torrent'))
  await Array.fromAsync(shoal.get(`magnet:?xt=urn:btmh:1220${ID}`, { out: 'downloads' }))
  await Array.fromAsync(shoal.get('7'))
  const cwd = process.cwd()
  assert.deepEqual(fake.asked, [
    ['share', [resolve('bin')], {}],
    ['unshare', [join(folder, 'shared.txt'), 'films', resolve('gone')]],
    ['ls', resolve('films.torrent')],
    ['get', resolve('films.torrent'), { cwd }],
    ['get', `magnet:?xt=urn:btmh:1220${ID}`, { out: join(cwd, 'downloads'), cwd }],
    ['get', '7', { cwd }]
  ])
})

test('every error arrives with its code and message, from a call and inside a stream', async () => {
  const faults: ShoalError[] = []
  const { fake, shoal } = await start({ onFault: error => faults.push(error) })
  fake.searchEvents = [result(1)]
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    fake.failure = new ShoalError(code, `because of ${code}`)
    const expected = { name: 'ShoalError', code, message: `because of ${code}`, exitCode: ERRORS[code].exit }
    await assert.rejects(shoal.status(), expected)
    const seen: SearchEvent[] = []
    await assert.rejects(async () => {
      for await (const event of shoal.search('x')) seen.push(event)
    }, expected)
    assert.deepEqual(seen, [result(1)])
  }
  assert.deepEqual(
    faults.map(({ code }) => code),
    ['INTERNAL', 'INTERNAL']
  )
})

test('an exception becomes INTERNAL', async () => {
  const { fake, shoal } = await start()
  fake.failure = new TypeError('x is undefined') as unknown as ShoalError
  await assert.rejects(shoal.peers(), { code: 'INTERNAL', message: 'x is undefined' })
})

test('leaving a stream ends the work in the peer, and so does its signal, also while nothing happens', async () => {
  const { fake, shoal } = await start()
  fake.endless = true
  fake.searchEvents = [result(1)]
  for await (const event of shoal.search('x')) {
    assert.deepEqual(event, result(1))
    break
  }
  await eventually('the search is stopped', () => fake.stopped === 1)

  const abort = new AbortController()
  fake.getEvents = [{ type: 'progress', transfer: transfer() }]
  const events = shoal.get('1', { signal: abort.signal })[Symbol.asyncIterator]()
  assert.equal((await events.next()).done, false)
  const waiting = events.next()
  abort.abort()
  assert.equal((await waiting).done, true)
  await eventually('the transfer is paused', () => fake.stopped === 2)

  const left = shoal.share(['/x'])[Symbol.asyncIterator]()
  assert.equal((await left.next()).done, false)
  const pending = left.next()
  await left.return?.()
  assert.equal((await pending).done, true)
  await eventually('sharing is stopped', () => fake.stopped === 3)

  const gone = new AbortController()
  const looking = shoal.ls('1', { signal: gone.signal })
  await eventually('it is looked into', () => fake.asked.at(-1)?.[0] === 'ls')
  gone.abort()
  await assert.rejects(looking, { code: 'INTERRUPTED' })
  await eventually('nobody looks any more', () => fake.stopped === 4)
})

test('a client that dies ends the work, also one that is a generator and waits', async () => {
  const fake = new FakeShoal()
  let ended = false
  fake.search = async function* (_query, options) {
    yield result(1)
    await new Promise(resolve => options?.signal?.addEventListener('abort', resolve))
    ended = true
    throw new Error('nobody must see this')
  }
  const { path } = await start({}, fake)
  const socket = connectSocket(path)
  socket.write('POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{"query":"x"}')
  await new Promise(resolve => socket.once('data', resolve))
  socket.destroy()
  await eventually('the generator is stopped', () => ended)
})

test('silent streams carry signs of life, which no reader of events sees', async () => {
  const { fake, path, shoal } = await start({ heartbeatMs: 5 })
  fake.endless = true
  const socket = connectSocket(path)
  let text = ''
  socket.setEncoding('utf8').on('data', part => {
    text += part
  })
  socket.write('POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{"query":"x"}')
  await eventually('two heartbeats', () => text.split('{"type":"heartbeat"}\n').length > 2)
  socket.destroy()

  fake.search = async function* () {
    await new Promise(resolve => setTimeout(resolve, 50))
    yield SEARCHED
  }
  assert.deepEqual(await Array.fromAsync(shoal.search('x')), [SEARCHED])
})

test('a reader that does not read holds the work back', async () => {
  const fake = new FakeShoal()
  let made = 0
  const name = 'n'.repeat(10_000)
  fake.search = async function* () {
    for (; made < 20_000; made++) {
      const known = {
        number: made,
        id: ID,
        name,
        size: 1,
        holders: [],
        mine: false,
        hops: 1,
        foundBy: BY,
        relevance: 1
      }
      yield { type: 'result', result: { ...known, proven: 0, state: 'unproven' } }
    }
  }
  const { path } = await start({}, fake)
  const socket = connectSocket(path)
  socket.pause()
  socket.write('POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{"query":"x"}')
  let before = -1
  await eventually('it stands still', async () => {
    await new Promise(resolve => setTimeout(resolve, 100))
    const still = made > 0 && made === before
    before = made
    return still
  })
  assert.ok(made < 1_000, `${made} events of 10 kB were made for nobody`)
  socket.destroy()
})

test('two clients at once have streams of their own', async () => {
  const { fake, shoal, path } = await start()
  const other = await connect(path)
  assert.ok(other !== undefined)
  fake.endless = true
  fake.searchEvents = [result(1)]
  const first = shoal.search('x')[Symbol.asyncIterator]()
  const second = other.search('y')[Symbol.asyncIterator]()
  assert.deepEqual((await first.next()).value, result(1))
  assert.deepEqual((await second.next()).value, result(1))
  await other.close()
  await assert.rejects(other.status(), { code: 'INTERRUPTED' })
  await assert.rejects(second.next(), { code: 'INTERRUPTED' })
  await eventually('the stream of the other is stopped', () => fake.stopped === 1)
  assert.equal((await shoal.status()).pid, STATUS.pid)
  await first.return?.()
})

interface Answer {
  status: number | undefined
  body: { type?: string; code?: string; message?: string }
}

async function send(path: string, route: string, body: string, method = 'POST'): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, path: route, method, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', part => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) as Answer['body'] }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const BAD: [what: string, route: string, body: string, says: RegExp][] = [
  ['no JSON', '/v1/search', '{"query":', /not JSON/],
  ['nothing', '/v1/search', '', /not JSON/],
  ['null', '/v1/search', 'null', /request: /],
  ['a list', '/v1/get', '[]', /request: /],
  ['a missing field', '/v1/search', '{}', /query: /],
  ['a wrong type', '/v1/search', '{"query":5}', /query: /],
  ['an unknown field', '/v1/search', '{"query":"x","tll":3}', /tll/],
  ['a negative TTL', '/v1/search', '{"query":"x","ttl":-1}', /ttl: /],
  ['an endless wait', '/v1/search', '{"query":"x","timeoutMs":1e300}', /timeoutMs: /],
  ['half a result', '/v1/search', '{"query":"x","limit":0.5}', /limit: /],
  ['a long query', '/v1/search', JSON.stringify({ query: 'x'.repeat(1_001) }), /query: /],
  ['a relative path to share', '/v1/share', '{"paths":["films"]}', /paths\.0: must be an absolute path/],
  ['a relative place', '/v1/get', '{"target":"1","out":"."}', /out: must be an absolute path/],
  ['no paths', '/v1/share', '{"paths":[]}', /paths: /],
  ['too many paths', '/v1/unshare', JSON.stringify({ paths: Array(1_001).fill('/x') }), /paths: /],
  ['no target', '/v1/ls', '{"target":""}', /target: /],
  ['no copies', '/v1/put', '{"path":"/x","copies":0}', /copies: /],
  ['something relative to put', '/v1/put', '{"path":"x"}', /path: /],
  ['nothing to drop', '/v1/drop', '{"named":""}', /named: /],
  ['no transfer', '/v1/forget', '{"delete":true}', /transfer: /],
  ['no key', '/v1/directory-get', '{"key":""}', /key: /],
  ['an entry of no kind', '/v1/directory-put', '{"kind":"all","payload":""}', /kind: /],
  ['a value that is too large', '/v1/directory-put', `{"kind":"value","payload":"${'A'.repeat(40_000)}"}`, /payload: /],
  ['no items', '/v1/directory-append', '{"key":"x","items":[]}', /items: /],
  ['a wish that is none', '/v1/forget', '{"transfer":"x","delete":"yes"}', /delete: /]
]

test('a bad request is refused with what is wrong, and reaches nobody', async () => {
  const { fake, path } = await start()
  for (const [what, route, body, says] of BAD) {
    const answer = await send(path, route, body)
    assert.deepEqual([answer.status, answer.body.type, answer.body.code], [400, 'error', 'USAGE'], what)
    assert.match(answer.body.message ?? '', says, what)
  }
  assert.equal((await send(path, '/v1/nothing', '{}')).body.code, 'NOT_FOUND')
  assert.equal((await send(path, '/v1/search', '', 'GET')).body.code, 'NOT_FOUND')
  assert.deepEqual(fake.asked, [])
})

test('a body beyond the limit is not read', async () => {
  const { fake, path } = await start()
  const body = JSON.stringify({ target: 'x'.repeat(MAX_BODY_BYTES) })
  const answer = await send(path, '/v1/get', body)
  assert.deepEqual([answer.status, answer.body.code], [413, 'USAGE'])
  assert.deepEqual(fake.asked, [])
})

test('the socket is for its owner alone, and gone after the end', async () => {
  const before = process.umask()
  const { path, server } = await start()
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(process.umask(), before)
  await server.close()
  assert.throws(() => statSync(path), { code: 'ENOENT' })
  assert.equal(await connect(path), undefined)
})

test('a socket that a killed process left is replaced, anything else is not', async () => {
  const path = join(folder, 'stale.sock')
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  const { spawnSync } = await import('node:child_process')
  assert.equal(spawnSync(process.execPath, ['--eval', script]).signal, 'SIGKILL')
  assert.ok(statSync(path).isSocket())
  assert.equal(await connect(path), undefined)
  const server = await serve(new FakeShoal(), path)
  assert.equal((await (await connect(path))?.status())?.pid, STATUS.pid)
  await server.close()

  writeFileSync(path, 'precious')
  await assert.rejects(serve(new FakeShoal(), path), { code: 'EXISTS' })
  assert.equal(await connect(path), undefined)
  assert.equal(statSync(path).size, 8)
  await assert.rejects(serve(new FakeShoal(), join(folder, 'no', 'such.sock')), { code: 'PERMISSION' })
})

test('a peer that stops tells the readers of its streams, and ends at once', async () => {
  const { fake, shoal, server } = await start()
  fake.endless = true
  fake.getEvents = [{ type: 'progress', transfer: transfer() }]
  const events = shoal.get('1')[Symbol.asyncIterator]()
  assert.equal((await events.next()).done, false)
  const waiting = assert.rejects(events.next(), { code: 'INTERRUPTED', message: 'the peer was stopped' })
  await Promise.all([server.close(), server.close(), waiting])
  assert.equal(fake.stopped, 1)
  await assert.rejects(shoal.status(), { code: 'NETWORK' })
})

test('a peer that is killed in the middle of a stream interrupts it', async () => {
  const path = join(folder, 'killed.sock')
  const server = createHttpServer((incoming, outgoing) => {
    if (incoming.url === '/v1/hello') outgoing.end(`{"protocol":${PROTOCOL},"version":"1","pid":1}`)
    else {
      outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' })
      outgoing.write('{"type":"progress"}\n{"type":', () => outgoing.destroy())
    }
  }).listen(path)
  closers.push(async () => {
    server.close()
  })
  const shoal = await connect(path)
  assert.ok(shoal !== undefined)
  const events = shoal.get('1')[Symbol.asyncIterator]()
  assert.equal((await events.next()).value.type, 'progress')
  await assert.rejects(events.next(), { code: 'INTERRUPTED' })
})

test('a peer of another kind, a mute one and no peer at all are told apart', async () => {
  const path = join(folder, 'other.sock')
  const newer = createHttpServer((_incoming, outgoing) => outgoing.end('{"protocol":99,"version":"9.0.0","pid":77}'))
  newer.listen(path)
  closers.push(async () => {
    newer.close()
  })
  await assert.rejects(connect(path), { code: 'VERSION_MISMATCH', message: /process 77.*9\.0\.0/ })
  newer.close()

  const mute = createServer(() => {}).listen(path)
  closers.push(async () => {
    mute.close()
  })
  await assert.rejects(connect(path, { helloMs: 50 }), { code: 'TIMEOUT' })
  assert.equal(await connect(join(folder, 'none.sock')), undefined)
  assert.equal(await connect(join(folder, 'none', 'none.sock')), undefined)
})

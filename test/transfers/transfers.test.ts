import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import type { FileId, Infohash } from '../../protocols/core/ids.ts'
import { ContentError } from '../../protocols/exchange/content.ts'
import { METAINFO_PROTOCOL } from '../../protocols/metainfo/handler.ts'
import type { TrackerService } from '../../protocols/tracker/handler.ts'
import type { TrackerCommand } from '../../protocols/tracker/index.ts'
import type { GetEvent } from '../../src/api.ts'
import { SharedContent } from '../../src/library/content/shared-content.ts'
import { Library } from '../../src/library/library.ts'
import type { ShoalNode } from '../../src/node.ts'
import { sha256OfFile, writeRandomFile } from '../../src/testkit/files.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { metainfoAskerConfig } from '../../src/transfers/metainfo-asker.ts'
import { sourceConfig } from '../../src/transfers/sources.ts'
import { connect, fileOf, fresh, get, share, withNodes } from './nodes.ts'

const MIB = 1024 * 1024
const { silentMs } = metainfoAskerConfig
const { retryFirstMs } = sourceConfig
after(() => {
  metainfoAskerConfig.silentMs = silentMs
  sourceConfig.retryFirstMs = retryFirstMs
})

const releases: (() => void)[] = []

/** What is held when a test fails must not keep its nodes from closing. */
const run: typeof withNodes = work =>
  withNodes(async (...parts) => {
    try {
      await work(...parts)
    } finally {
      for (const release of releases.splice(0)) release()
    }
  })

/** Reads a `get` until something of it is here; then the reader is still there. */
async function begun(node: ShoalNode, target: string, options: { out: string; files?: string[] }) {
  const events = node.get(target, options)[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = (await events.next()) as IteratorResult<GetEvent, undefined>
    assert.ok(done !== true && value?.type === 'progress', JSON.stringify(value))
    if (value.transfer.bytesDone > 0) return events
  }
}

async function rest(events: AsyncIterator<GetEvent>): Promise<GetEvent | undefined> {
  let last: GetEvent | undefined
  for (let next = await events.next(); next.done !== true; next = await events.next()) last = next.value
  return last
}

/**
 * From now on seeds give so many pieces and no more, until `release`; `cut` fails what waits and what comes. A transfer that
 * is to be met while it runs does not depend on how fast the machine is.
 */
function holdSeeds(t: TestContext, pieces = 4): { release(): void; cut(): void } {
  const { read } = SharedContent.prototype
  const held = Promise.withResolvers<void>()
  let left = pieces
  let isCut = false
  const mocked = t.mock.method(
    SharedContent.prototype,
    'read',
    async function (this: SharedContent, ...args: Parameters<typeof read>) {
      if (left-- <= 0) await held.promise
      if (isCut) throw new ContentError('CONTENT_GONE', 'the seed is cut off')
      return await read.apply(this, args)
    }
  )
  const release = (): void => {
    mocked.mock.restore()
    isCut = false
    held.resolve()
  }
  releases.push(release)
  return {
    release,
    cut() {
      isCut = true
      held.resolve()
    }
  }
}

/** What the tracker protocol of a node is told from now on. */
function commandsOf(node: ShoalNode): TrackerCommand['type'][] {
  const { tracker } = node.host!.services as unknown as { tracker: TrackerService }
  const seen: TrackerCommand['type'][] = []
  const command = tracker.command.bind(tracker)
  tracker.command = given => {
    seen.push(given.type)
    command(given)
  }
  return seen
}

test('holders that take a question and never answer do not keep a collection from anybody', () =>
  run(async (start, startLiar) => {
    metainfoAskerConfig.silentMs = 100
    const path = fresh()
    await writeRandomFile(join(path, 'a.bin'), 5_000, 1)
    const [leech, seed] = [await start(), await start()]
    const { infohash } = await share(seed, path)
    const held: Stream[] = []
    const mute = Array.from({ length: 8 }, async () => {
      const host = await startLiar({
        near: [leech],
        lookup: ({ kind }) =>
          kind === 'id' ? [{ id: 'cd'.repeat(32) as FileId, name: 'x', size: 1, infohash: infohash as Infohash }] : []
      })
      await host.handle(METAINFO_PROTOCOL, stream => void held.push(stream), { maxInboundStreams: 64 })
    })
    await Promise.all(mute)
    const listing = leech.ls(infohash)
    await eventually('mute holders are asked', () => held.length >= metainfoAskerConfig.parallel)
    await connect(leech, seed)
    assert.deepEqual(
      (await listing).files.map(({ size }) => size),
      [5_000]
    )
  }))

test('a holder that comes back is asked at once, however often it failed', async t =>
  run(async start => {
    sourceConfig.retryFirstMs = 10 * 60_000
    const path = fresh()
    await writeRandomFile(path, 24 * MIB, 2)
    const home = fresh()
    let seed = await start({ home })
    const id = await fileOf(seed, path)
    const leech = await start()
    await connect(leech, seed)
    const seeds = holdSeeds(t)
    const events = await begun(leech, id, { out: fresh() })
    seeds.cut()
    await seed.close()
    await eventually('it is gone', async () => (await leech.transfers())[0]?.state === 'stalled')
    seeds.release()
    seed = await start({ home })
    await connect(seed, leech)
    const done = await rest(events)
    sourceConfig.retryFirstMs = retryFirstMs
    assert.equal(done?.type, 'done')
    assert.equal(await sha256OfFile((done as GetEvent & { type: 'done' }).transfer.path), await sha256OfFile(path))
  }))

test('a second get with another folder is refused, one with other files joins and gets them', async t =>
  run(async start => {
    const path = join(fresh(), 'Album')
    await writeRandomFile(join(path, 'a.bin'), 24 * MIB, 3)
    await writeRandomFile(join(path, 'b.bin'), 3 * MIB, 4)
    await writeRandomFile(join(path, 'c.bin'), MIB, 5)
    const [leech, seed] = [await start(), await start()]
    const { magnet } = await share(seed, path)
    const [out, other] = [fresh(), fresh()]
    const seeds = holdSeeds(t)
    const first = await begun(leech, magnet, { out, files: ['a.bin'] })
    await assert.rejects(get(leech, magnet, { out: other, files: ['b.bin'] }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ALREADY_RUNNING')
      assert.ok(error.message.includes(out), error.message)
      return true
    })
    await assert.rejects(get(leech, magnet, { out, files: ['nope'] }), { code: 'NOT_FOUND' })
    const second = get(leech, magnet, { out, files: ['b.bin'] })
    await eventually('both are fetched', async () => (await leech.transfers())[0]?.size === 27 * MIB)
    seeds.release()
    const done = await rest(first)
    assert.equal(done?.type, 'done')
    assert.equal(existsSync(other), false)
    assert.deepEqual(readdirSync(join(out, 'Album')).sort(), ['a.bin', 'b.bin'])
    for (const name of ['a.bin', 'b.bin']) {
      assert.equal(await sha256OfFile(join(out, 'Album', name)), await sha256OfFile(join(path, name)), name)
    }
    assert.equal((await second).bytesFetched, 27 * MIB, 'what was here before the second asked is not fetched again')
  }))

test('a get that failed before anything was stored says why, keeps no folder, and can be forgotten', () =>
  run(async start => {
    const path = join(fresh(), 'film.mkv')
    await writeRandomFile(path, MIB, 6)
    const seed = await start()
    const { magnet } = await share(seed, path)
    const home = fresh()
    let leech = await start({ home })
    const [a, b, c] = [fresh(), fresh(), fresh()]
    for (const folder of [a, b, c]) mkdirSync(folder)
    writeFileSync(join(a, 'film.mkv'), 'mine')
    await assert.rejects(get(leech, magnet, { cwd: a }), { code: 'EXISTS' })
    const [failed] = await leech.transfers()
    assert.equal(failed?.state, 'failed')
    assert.match(failed.reason ?? '', /film\.mkv is there already/)
    assert.match(failed.next ?? '', /--out.*shoal get .*shoal forget/)
    assert.deepEqual((await leech.status()).transfers, { active: 0, paused: 0, failed: 1 })
    await leech.close()

    leech = await start({ home })
    assert.deepEqual(await leech.transfers(), [failed], 'also after a restart')
    await get(leech, magnet, { cwd: b })
    assert.equal(existsSync(join(b, 'film.mkv')), true, 'the folder of the failure is not where it goes on')
    assert.deepEqual(await leech.transfers(), [])

    const other = await start()
    await assert.rejects(get(other, magnet, { out: a }), { code: 'EXISTS' })
    await get(other, magnet, { out: c })
    const third = await start()
    await assert.rejects(get(third, magnet, { out: a }), { code: 'EXISTS' })
    await third.forget('film.mkv')
    assert.deepEqual(await third.transfers(), [])
    await assert.rejects(third.forget('film.mkv'), { code: 'NOT_FOUND' })
  }))

test('a transfer is forgotten with its unfinished files or without, while it runs, paused, and offline', async t =>
  run(async start => {
    const path = join(fresh(), 'film.mkv')
    await writeRandomFile(path, 24 * MIB, 7)
    const seed = await start()
    const { magnet } = await share(seed, path)
    const home = fresh()
    let leech = await start({ home })
    const [out, other] = [fresh(), fresh()]
    let seeds = holdSeeds(t)
    const running = await begun(leech, magnet, { out })
    const rejected = assert.rejects(rest(running), { code: 'INTERRUPTED' })
    const { id, kept, deleted } = await leech.forget('film.mkv')
    await rejected
    assert.deepEqual(deleted, [])
    assert.deepEqual(
      kept,
      readdirSync(out).map(name => join(out, name))
    )
    assert.deepEqual(await leech.transfers(), [])

    seeds.release()
    seeds = holdSeeds(t)
    const again = await begun(leech, magnet, { out: other })
    await again.return?.()
    await eventually('it is paused', async () => (await leech.transfers())[0]?.state === 'paused')
    assert.match((await leech.transfers())[0]?.next ?? '', new RegExp(`shoal get ${id}`))
    await assert.rejects(get(leech, magnet, { out }), { code: 'EXISTS' }, 'a part of it is elsewhere')
    await leech.close()
    leech = await start({ home, offline: true })
    assert.equal((await leech.transfers())[0]?.state, 'paused')
    const gone = await leech.forget(id.slice(0, 12), { delete: true })
    assert.equal(gone.deleted.length, 1)
    assert.deepEqual(readdirSync(other), [])
    await leech.close()
    seeds.release()
    rmSync(out, { recursive: true })
    leech = await start({ home })
    await get(leech, magnet, { out })
    assert.equal(await sha256OfFile(join(out, 'film.mkv')), await sha256OfFile(path))
  }))

test('looking into what is being fetched leaves its trackers alone, and ends with its signal', async t =>
  run(async start => {
    const path = join(fresh(), 'Album')
    await writeRandomFile(join(path, 'a.bin'), 24 * MIB, 8)
    const [leech, seed] = [await start(), await start()]
    const { magnet, infohash } = await share(seed, path)
    const seeds = holdSeeds(t)
    const running = await begun(leech, magnet, { out: fresh() })
    await eventually('the tracker knows it', () => {
      const { tracker } = seed.host!.services as unknown as { tracker: TrackerService }
      return tracker.account(infohash as Infohash)?.leeches === 1
    })
    const told = commandsOf(leech)
    await leech.ls(magnet)
    assert.equal(told.includes('leave'), false)
    await running.return?.()
    await eventually('it has left', () => told.includes('leave'))
    seeds.release()

    const alone = await start()
    const stop = new AbortController()
    const seen = commandsOf(alone)
    const unknown = `magnet:?xt=urn:btmh:1220${'ef'.repeat(32)}&tr=${encodeURIComponent(`/p2p/${(await seed.status()).peerId}`)}`
    const looking = alone.ls(unknown, { signal: stop.signal })
    await eventually('it asks the tracker', () => seen.includes('join'))
    stop.abort(new Error('left'))
    await assert.rejects(looking, /left/)
    assert.equal(seen.at(-1), 'leave')
  }))

test('who leaves at the moment in which it is done leaves a seed that gives', async t => {
  const { addFinished } = Library.prototype
  const isAdding = Promise.withResolvers<void>()
  const hasLeft = Promise.withResolvers<void>()
  t.mock.method(
    Library.prototype,
    'addFinished',
    async function (this: Library, ...args: Parameters<typeof addFinished>) {
      isAdding.resolve()
      await hasLeft.promise
      await addFinished.apply(this, args)
    }
  )
  await run(async start => {
    const path = join(fresh(), 'one.bin')
    await writeRandomFile(path, MIB, 9)
    const [leech, seed] = [await start(), await start()]
    const { magnet, infohash } = await share(seed, path)
    const events = leech.get(magnet, { out: fresh() })[Symbol.asyncIterator]()
    void events.next()
    await isAdding.promise
    await events.return?.()
    hasLeft.resolve()
    await eventually('it is shared', async () => (await leech.status()).shared.files === 1)
    await eventually('it is over', async () => (await leech.transfers()).length === 0)
    const other = await start()
    await connect(other, leech)
    await seed.close()
    await get(other, infohash, { out: fresh() })
  })
})

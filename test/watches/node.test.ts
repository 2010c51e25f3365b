import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { WatchEvent } from '../../src/api.ts'
import type { NodeConfig } from '../../src/config.ts'
import { createNode, type ShoalNode } from '../../src/node.ts'
import { eventually } from '../../src/testkit/wait.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-watching-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const fresh = (name: string): string => join(folder, name)

async function start(home: string, config: Partial<NodeConfig> = {}): Promise<ShoalNode> {
  return await createNode({ home: fresh(home), interfaces: ['lo'], discovery: false, ...config })
}

async function addressOf(node: ShoalNode): Promise<string> {
  return (await node.status()).addresses[0] as string
}

async function share(node: ShoalNode, name: string, files: Record<string, string>): Promise<void> {
  const place = fresh(name)
  mkdirSync(place, { recursive: true })
  for (const [path, text] of Object.entries(files)) writeFileSync(join(place, path), text)
  for await (const _ of node.share([place])) {
    // until it is hashed
  }
}

function follow(node: ShoalNode): WatchEvent[] {
  const events: WatchEvent[] = []
  void (async () => {
    try {
      for await (const event of node.watchEvents()) events.push(event)
    } catch {
      // the node stops
    }
  })()
  return events
}

test('watch --get fetches what matches, survives a restart, and asks a peer that comes', async () => {
  const out = fresh('out')
  const holder = await start('holder')
  const nodes = [holder]
  try {
    await share(holder, 'first', { 'Blue sea 1.mkv': 'one', 'blue sea 1.txt': 'no video', 'red sea.mkv': 'not blue' })
    const address = await addressOf(holder)
    let watcher = await start('watcher', { peers: [address] })
    nodes.push(watcher)
    const events = follow(watcher)
    const watch = await watcher.watch('"blue sea" type:video size:..1K', { get: true, out })
    assert.equal(watch.number, 1)
    await eventually('it is fetched', async () => (await watcher.watches())[0]?.files.fetched === 1)
    assert.equal(readFileSync(join(out, 'Blue sea 1.mkv'), 'utf8'), 'one')
    assert.deepEqual(readdirSync(out), ['Blue sea 1.mkv'])
    await eventually('it is told', () => events.some(({ type }) => type === 'fetched'))
    assert.deepEqual(
      events.map(({ type }) => type),
      ['found', 'fetched']
    )
    await watcher.close()

    rmSync(join(out, 'Blue sea 1.mkv'))
    watcher = await start('watcher', { peers: [address] })
    nodes.push(watcher)
    assert.equal((await watcher.watches())[0]?.files.fetched, 1)
    const alone = await start('late', { offline: true })
    await share(alone, 'second', { 'blue sea 2.mkv': 'two' })
    await alone.close()
    nodes.push(await start('late', { peers: [await addressOf(watcher)] }))
    await eventually(
      'the file of the peer that came',
      async () => (await watcher.watches())[0]?.files.fetched === 2,
      40_000
    )
    assert.deepEqual(readdirSync(out), ['blue sea 2.mkv'], 'what the user removed is not fetched again')
    assert.equal((await watcher.unwatch(1)).files.fetched, 2)
    assert.deepEqual(await watcher.watches(), [])
  } finally {
    await Promise.all(nodes.map(node => node.close()))
  }
})

test('a watch is saved without a network, and a peer for one command does not run it', async () => {
  const offline = await start('saved', { offline: true })
  await offline.watch('sea', { everyMs: 60_000, cwd: folder })
  assert.throws(() => offline.watchEvents(), { code: 'NO_PEERS' })
  await offline.close()
  const short = await start('saved', { watch: false })
  try {
    const [watch] = await short.watches()
    assert.deepEqual([watch?.query, watch?.everyMs, watch?.out, watch?.nextRunAt], ['sea', 60_000, folder, undefined])
    follow(short)
    assert.notEqual((await short.watches())[0]?.nextRunAt, undefined, 'unless somebody follows it')
  } finally {
    await short.close()
  }
})

test('queries mean the same at every peer', async () => {
  const holder = await start('meaning')
  const asker = await start('asker', { peers: [await addressOf(holder)] })
  try {
    await share(holder, 'things', {
      'Deep Blue Sea.mkv': 'x'.repeat(2_000),
      'deep blue.txt': 'y',
      'The sea.mp3': 'z',
      'holidayPhotos2024.jpg': 'p',
      東京都の地図: 'm'
    })
    await eventually('a neighbour', async () => (await asker.status()).peers.neighbours > 0)
    const names = async (query: string): Promise<string[]> => {
      // a result is told of again when somebody has proven to have it
      const found = new Map<number, string>()
      for await (const event of asker.search(query)) {
        if (event.type === 'result') found.set(event.result.number, event.result.name.split('/').at(-1) as string)
      }
      return [...found.values()]
    }
    const cases: [string, string[]][] = [
      ['sea', ['Deep Blue Sea.mkv', 'The sea.mp3']],
      ['sea -deep', ['The sea.mp3']],
      ['"blue sea"', ['Deep Blue Sea.mkv']],
      ['"sea blue"', []],
      ['dee* type:document', ['deep blue.txt']],
      ['things size:>1K', ['Deep Blue Sea.mkv']],
      ['photos', ['holidayPhotos2024.jpg']],
      ['京都', ['東京都の地図']]
    ]
    for (const [query, expected] of cases) assert.deepEqual((await names(query)).toSorted(), expected.toSorted(), query)
  } finally {
    await Promise.all([holder.close(), asker.close()])
  }
})

import assert from 'node:assert/strict'
import { mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Placement, PutEvent } from '../../src/api.ts'
import type { NodeConfig } from '../../src/config.ts'
import type { ShoalNode } from '../../src/node.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { addressOf, fresh, get, onRing, withNodes } from '../nodes.ts'

const BYTES = 300_000

async function somethingToPut(): Promise<string> {
  const path = join(fresh(), 'films')
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'a.bin'), Buffer.alloc(BYTES, 'a'))
  await writeFile(join(path, 'b.txt'), 'b')
  return path
}

/** An owner and as many hosts, all on one ring; each host is a rack of its own. */
async function network(
  start: (config?: Partial<NodeConfig>) => Promise<ShoalNode>,
  hosts: number,
  config: Partial<NodeConfig> = {}
): Promise<{ owner: ShoalNode; hosts: ShoalNode[] }> {
  const owner = await start()
  const peers = [await addressOf(owner)]
  const all = await Promise.all(
    Array.from({ length: hosts }, (_, i) =>
      start({ peers, offer: 10_000_000, domain: `rack ${i}`, lostAfterMs: 0, ...config })
    )
  )
  await onRing(owner, ...all)
  return { owner, hosts: all }
}

async function put(node: ShoalNode, path: string, copies: number): Promise<Placement> {
  let done: PutEvent | undefined
  for await (const event of node.put(path, { copies })) done = event
  assert.equal(done?.type, 'done')
  return done.placement
}

async function hosting(nodes: readonly ShoalNode[]): Promise<ShoalNode[]> {
  const statuses = await Promise.all(nodes.map(node => node.status()))
  return nodes.filter((_, i) => (statuses[i]?.hosting?.items ?? 0) > 0)
}

test('copies are put on hosts in different places, made anew when a host goes, fetched when the original is gone, let go', async () => {
  await withNodes(async start => {
    const { owner, hosts } = await network(start, 5)
    const path = await somethingToPut()
    const placed = await put(owner, path, 3)
    assert.equal(placed.held, 3)
    assert.equal(new Set(placed.hosts.map(({ domain }) => domain)).size, 3)
    assert.equal(placed.isCrowded, false)
    assert.equal(placed.isHere, true)

    const lost = (await hosting(hosts))[0] as ShoalNode
    await lost.close()
    const others = hosts.filter(host => host !== lost)
    await eventually('three copies again', async () => {
      const [now] = await owner.copies()
      return now?.held === 3 && now.hosts.every(({ peerId }) => peerId !== placed.hosts[0]?.peerId || others.length > 0)
    })
    await eventually('they are on hosts that run', async () => (await hosting(others)).length === 3)

    await owner.unshare([path])
    await rm(path, { recursive: true })
    assert.equal((await owner.copies())[0]?.isHere, false)
    const out = fresh()
    await mkdir(out)
    await get(owner, placed.infohash, { out })
    assert.deepEqual(await readFile(join(out, 'films/a.bin')), Buffer.alloc(BYTES, 'a'))

    assert.equal((await owner.drop('films')).infohash, placed.infohash)
    assert.deepEqual(await owner.copies(), [])
    await eventually('nobody hosts it', async () => (await hosting(others)).length === 0)
    for (const host of others) {
      await eventually('it is deleted', async () => !(await exists(join(host.home, 'hosted', placed.infohash))))
      assert.deepEqual(await host.shares(), [])
    }
  })
})

test('without room, or with too few places, it is said, and put right when there are more', async () => {
  await withNodes(async start => {
    const { owner, hosts } = await network(start, 2, { offer: 0 })
    const path = await somethingToPut()
    await assert.rejects(put(owner, path, 2), { code: 'NO_ROOM' })
    const [waiting] = await owner.copies()
    assert.equal(waiting?.held, 0)
    assert.equal(waiting?.problem?.code, 'NO_ROOM')

    const peers = [await addressOf(owner)]
    const late = await start({ peers, offer: 10_000_000, domain: 'one rack' })
    const later = await start({ peers, offer: 10_000_000, domain: 'one rack' })
    await onRing(owner, ...hosts, late, later)
    const placed = await put(owner, path, 2)
    assert.equal(placed.held, 2)
    assert.equal(placed.isCrowded, true, 'two copies in one rack are better than one')
  })
})

test('a copy that was damaged is fetched anew, and one that the host shares itself is never deleted', async () => {
  await withNodes(async start => {
    const { owner, hosts } = await network(start, 2)
    const path = await somethingToPut()
    const [first, second] = hosts as [ShoalNode, ShoalNode]
    // the second has it already, as its own
    const own = await somethingToPut()
    for await (const _ of second.share([own]));
    const placed = await put(owner, path, 2)
    assert.equal(placed.held, 2)
    const copy = join(first.home, 'hosted', placed.infohash, 'films/a.bin')
    await truncate(copy, 10)
    await eventually('it is whole again', async () => (await stat(copy)).size === BYTES)

    await owner.drop(placed.infohash.slice(0, 12))
    await eventually('the first deletes it', async () => !(await exists(join(first.home, 'hosted', placed.infohash))))
    await eventually('the second hosts nothing', async () => (await hosting([second])).length === 0)
    assert.equal((await second.shares()).length, 1)
    assert.equal((await stat(join(own, 'a.bin'))).size, BYTES)
  })
})

test('what cannot be put, or was not, is refused with a reason', async () => {
  await withNodes(async start => {
    const alone = await start()
    const empty = fresh()
    await mkdir(empty)
    await assert.rejects(put(alone, empty, 1), { code: 'REFUSED' })
    await assert.rejects(put(alone, join(empty, 'nothing'), 1), { code: 'NOT_FOUND' })
    await assert.rejects(alone.drop('nothing'), { code: 'NOT_FOUND' })
    assert.deepEqual(await alone.copies(), [])
  })
})

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false
  )
}

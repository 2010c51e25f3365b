import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Placement } from '../../src/api.ts'
import { sha256OfFile, writeRandomFile } from '../../src/testkit/files.ts'
import { ProcessPeer } from '../../src/testkit/process-peer.ts'
import { eventually } from '../../src/testkit/wait.ts'

const HOSTS = 9
const FILE_BYTES = 16 * 1024 * 1024

const folder = mkdtempSync(join(tmpdir(), 'shoal-copies-'))
after(() => rmSync(folder, { recursive: true, force: true }))

async function hosting(peers: readonly ProcessPeer[]): Promise<ProcessPeer[]> {
  const statuses = await Promise.all(peers.map(peer => peer.shoal.status()))
  return peers.filter((_, i) => (statuses[i]?.hosting?.items ?? 0) > 0)
}

test('ten processes: owner and a host are killed, three copies again, and the owner has the file back from them', async () => {
  const original = join(folder, 'original', 'film.bin')
  await writeRandomFile(original, FILE_BYTES, 1)
  const hash = await sha256OfFile(original)
  const ownerOptions = { home: join(folder, 'owner'), args: ['--interface', 'lo'] }
  let owner = await ProcessPeer.start(ownerOptions)
  const running = new Set<ProcessPeer>([owner])
  try {
    const [address = ''] = (await owner.shoal.status()).addresses
    const hosts: ProcessPeer[] = []
    for (let i = 0; i < HOSTS; i++) {
      const place = ['--offer', '1G', '--domain', `rack ${i}`, '--lost-after', '2s']
      const args = ['--interface', 'lo', '--peer', address, ...place]
      const host = await ProcessPeer.start({ home: join(folder, `host${i}`), args })
      hosts.push(host)
      running.add(host)
    }
    await eventually('all are on one ring', async () => {
      const rings = await Promise.all([owner, ...hosts].map(peer => peer.shoal.ring()))
      return rings.every(({ settled, nodes }) => settled && nodes === HOSTS + 1)
    })

    let placed: Placement | undefined
    for await (const event of owner.shoal.put(original, { copies: 3 })) {
      if (event.type === 'done') placed = event.placement
    }
    assert.equal(placed?.held, 3)
    assert.equal(new Set(placed.hosts.map(({ domain }) => domain)).size, 3)

    const [victim] = (await hosting(hosts)) as [ProcessPeer]
    for (const peer of [owner, victim]) {
      await peer.kill('SIGKILL')
      running.delete(peer)
    }
    const left = hosts.filter(host => host !== victim)
    await eventually('three copies again', async () => (await hosting(left)).length === 3)

    await rm(join(folder, 'original'), { recursive: true })
    const [guest = ''] = (await (left[0] as ProcessPeer).shoal.status()).addresses
    owner = await ProcessPeer.start({ ...ownerOptions, args: [...ownerOptions.args, '--peer', guest] })
    running.add(owner)
    const known = await eventually('the owner hears where its copies are', async () => {
      const [one] = await owner.shoal.copies()
      return one?.held === 3 ? one : undefined
    })
    assert.equal(known.isHere, false)
    const out = join(folder, 'out')
    await mkdir(out)
    for await (const _ of owner.shoal.get(known.infohash, { out }));
    assert.equal(await sha256OfFile(join(out, 'film.bin')), hash)

    await owner.shoal.drop('film.bin')
    await eventually('nobody hosts it any more', async () => (await hosting(left)).length === 0)
  } finally {
    await Promise.all([...running].map(peer => peer.kill('SIGTERM')))
  }
})

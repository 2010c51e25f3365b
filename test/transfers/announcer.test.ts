import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SwarmId } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { TrackerCommand } from '../../protocols/tracker/index.ts'
import { Announcer } from '../../src/transfers/announcer.ts'

const SWARM = 'ab'.repeat(32) as SwarmId
const nothing = { left: 5, uploaded: 0, downloaded: 0 }
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function start(): { announcer: Announcer; told: TrackerCommand[] } {
  const told: TrackerCommand[] = []
  // an address is `/p2p/NAME`
  const learn = async (address: string): Promise<Peer | undefined> => address.split('/p2p/')[1] as Peer | undefined
  return { announcer: new Announcer(command => told.push(command), { learn }), told }
}

test('who leaves a swarm that others of this node are in takes nobody out of it', async () => {
  const { announcer, told } = start()
  const heard: string[] = []
  const join = (name: string, left: number) =>
    announcer.join(SWARM, {
      trackers: [['/p2p/one', '/dns/x/p2p/one'], ['garbage']],
      moved: { ...nothing, left },
      onPeers: () => heard.push(name)
    })
  const transfer = join('transfer', 5)
  await settled()
  const looking = join('ls', 1)
  await settled()
  announcer.onEvent({ type: 'peers', swarm: SWARM, tracker: 'one' as Peer, seeds: 1, leeches: 0, peers: [] })
  assert.deepEqual(heard, ['transfer', 'ls'])
  looking.leave()
  looking.leave()
  await settled()
  transfer.update({ ...nothing, left: 3 })
  assert.deepEqual(
    told.map(({ type }) => type),
    ['join', 'update']
  )
  transfer.leave()
  assert.deepEqual(told.at(-1), { type: 'leave', swarm: SWARM })
  transfer.update(nothing)
  transfer.more()
  assert.equal(told.length, 3)
})

test('the trackers of all members are told, and of those who stay when one leaves', async () => {
  const { announcer, told } = start()
  const join = (tracker: string, left: number) =>
    announcer.join(SWARM, { trackers: [[`/p2p/${tracker}`]], moved: { ...nothing, left }, onPeers: () => {} })
  const transfer = join('one', 5)
  await settled()
  // what was fetched is seeded: the seed joins and the transfer leaves in one moment
  join('own', 0)
  transfer.leave()
  await settled()
  assert.deepEqual(told, [
    { type: 'join', swarm: SWARM, tiers: [['one']], left: 5 },
    { type: 'join', swarm: SWARM, tiers: [['own']], left: 0 }
  ])
  join('one', 4)
  await settled()
  assert.deepEqual(told.at(-1), { type: 'join', swarm: SWARM, tiers: [['own'], ['one']], left: 0 })
})

test('who leaves before its trackers were looked up is never told of', async () => {
  const { announcer, told } = start()
  announcer.join(SWARM, { trackers: [['/p2p/one']], moved: nothing, onPeers: () => {} }).leave()
  announcer.join(SWARM, { trackers: [], moved: nothing, onPeers: () => {} })
  await settled()
  assert.deepEqual(told, [])
})

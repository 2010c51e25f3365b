import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { ShoalError } from '../../src/errors.ts'
import { ID, OTHER, PEER, PLACEMENT } from '../daemon/fake-shoal.ts'
import { fake, home, stopPeer } from './running-peer.ts'
import { records, shoal } from './terminal.ts'

const [other, own] = [OTHER, PEER].map(peer => `…${peer.slice(-8)}`)

test('put: what is shared, how many copies there are, and where they are', async () => {
  const ran = await shoal(['put', 'films', '--copies', '3', '--hidden', '--home', home])
  assert.equal(ran.code, 0, ran.err)
  assert.deepEqual(fake.asked, [['put', resolve('films'), { copies: 3, hidden: true }]])
  assert.match(ran.out, /^films: 2 files, 3\.5 MB/m)
  assert.match(ran.out, /^films: 3 of 3 copies, 3\.5 MB, the original is here$/m)
  assert.match(ran.out, new RegExp(`^ {2}${other} +has it .* rack 1$`, 'm'))
  const all = records((await shoal(['put', 'films', '--home', home, '--json'])).out)
  assert.deepEqual(
    all.map(({ type }) => type),
    ['shared', 'placement', 'done']
  )
})

test('put: one that has no room says so, and the others go on', async () => {
  fake.putEvents = []
  fake.failure = new ShoalError('NO_ROOM', 'no other peer offers room for copies')
  const ran = await shoal(['put', 'films', 'songs', '--home', home])
  assert.equal(ran.code, 14)
  assert.equal(ran.err.match(/no other peer offers room/g)?.length, 2)
  assert.match(ran.err, /shoal up --offer/)
})

test('copies: each of what was put, what is wrong with it, and what to do about that', async () => {
  const problem = { code: 'NO_ROOM', message: 'there is not enough room', next: 'Offer more.' }
  fake.placements = [
    PLACEMENT,
    { ...PLACEMENT, name: 'songs', isHere: false, isCrowded: true, hosts: [], held: 0, problem }
  ]
  const ran = await shoal(['copies', '--home', home])
  assert.equal(ran.code, 0)
  const lines = ran.out.split('\n')
  assert.equal(lines[0], 'films: 2 of 3 copies, 1 on the way, 3.5 MB, the original is here')
  assert.equal(lines[1], `  ${ID}`)
  assert.match(lines[3] as string, new RegExp(`^ {2}${other} +has it +.* 12 s ago +rack 1$`))
  assert.match(lines[4] as string, new RegExp(`^ {2}${own} +has it `))
  assert.match(lines[5] as string, new RegExp(`^ {2}${other} +is fetching it `))
  assert.match(ran.out, /^songs: 0 of 3 copies, 3\.5 MB, the original is not here any more: shoal get /m)
  assert.match(ran.out, /together on one machine/)
  assert.match(ran.out, /problem: there is not enough room\n {4}Offer more\./)
  assert.deepEqual(fake.asked, [['copies', { recover: false }]])
  fake.placements = []
  assert.match((await shoal(['copies', '--recover', '--home', home])).out, /Nothing was put elsewhere/)
  assert.deepEqual(fake.asked.at(-1), ['copies', { recover: true }])
})

test('drop: what is let go and what stays; one that is unknown keeps no other', async () => {
  const ran = await shoal(['drop', 'films', '--home', home])
  assert.equal(ran.out, 'films: 3 copies let go; what is shared here stays\n')
  const { drop } = fake
  fake.drop = async named => {
    if (named === 'gone') throw new ShoalError('NOT_FOUND', 'nothing called gone was put elsewhere')
    return await drop.call(fake, named)
  }
  const some = await shoal(['drop', 'gone', 'films', '--home', home])
  assert.equal(some.code, 3)
  assert.match(some.out, /films: 3 copies let go/)
})

test('status and peers: the role and why, what is hosted, and who searches for whom', async () => {
  const { current } = fake
  fake.current = {
    ...current,
    superPeer: { role: 'peer', reason: 'attached to 2 super-peers', supers: [OTHER, PEER], clients: 0, indexed: 0 },
    hosting: { offered: 50_000_000_000, used: 3_500_000, items: 1 }
  }
  const said = (await shoal(['status', '--home', home])).out
  assert.match(said, new RegExp(`^role +peer: attached to 2 super-peers \\(${other}, ${own}\\)$`, 'm'))
  assert.match(said, /^hosts +1 item for others, 3\.5 MB of 50\.0 GB offered$/m)
  fake.current = {
    ...current,
    superPeer: { role: 'super', reason: 'volunteered', supers: [], clients: 12, indexed: 3_400 }
  }
  const strong = (await shoal(['status', '--home', home])).out
  assert.match(strong, /^role +super-peer: volunteered; answers for 12 peers with 3400 files$/m)
  assert.doesNotMatch(strong, /^hosts/m)
  fake.current = current
  const peer = {
    address: '/ip4/192.168.1.6/tcp/4001',
    direction: 'inbound',
    foundBy: 'mdns',
    connectedForMs: 1,
    down: 0,
    up: 0
  } as const
  fake.peerList = [
    { ...peer, peerId: OTHER, neighbour: false, role: 'super' },
    { ...peer, peerId: PEER, neighbour: true, role: 'client' },
    { ...peer, peerId: PEER, neighbour: true }
  ]
  const roles = (await shoal(['peers', '--home', home])).out.split('\n').slice(1, 4)
  assert.deepEqual(
    roles.map(line => line.split(/ +/)[1]),
    ['super-peer', 'client', 'neighbour']
  )
})

test('an order that there cannot be is refused before anything is done', async () => {
  for (const args of [
    ['put'],
    ['put', 'films', '--copies', '0'],
    ['up', '--offer', 'lots'],
    ['up', '--role', 'king']
  ]) {
    const ran = await shoal([...args, '--home', home])
    assert.equal(ran.code, 2, args.join(' '))
  }
  await stopPeer()
})

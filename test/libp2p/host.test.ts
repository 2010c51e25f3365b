import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { Key } from 'interface-datastore'
import { FramedStream } from '../../protocols/libp2p/framed-stream.ts'
import { datastoreSchema, SqliteDatastore } from '../../src/libp2p/datastore.ts'
import { groupTag, newGroupKey, readGroupKey } from '../../src/libp2p/group-key.ts'
import { announceFilter, listenAddresses, usableInterfaces } from '../../src/libp2p/interfaces.ts'
import { loadOrCreateKey } from '../../src/libp2p/key-file.ts'
import { MdnsDiscovery } from '../../src/libp2p/mdns.ts'
import { Reputation } from '../../src/libp2p/reputation.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from './hosts.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-libp2p-'))
after(() => rmSync(folder, { recursive: true }))

test('a key file makes the same peer again, for its owner alone', async () => {
  const path = join(folder, 'key')
  const [one, other] = await Promise.all([loadOrCreateKey(path), loadOrCreateKey(path)])
  assert.deepEqual(privateKeyToProtobuf(one), privateKeyToProtobuf(other), 'two at once make one key')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  chmodSync(path, 0o644)
  await loadOrCreateKey(path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  writeFileSync(path, 'damaged')
  await assert.rejects(loadOrCreateKey(path), { code: 'BAD_KEY' })
})

test('the datastore keeps what libp2p puts, by prefix and in batches', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(datastoreSchema)
  const store = new SqliteDatastore(database)
  store.put(new Key('/a/1'), Uint8Array.of(1))
  const batch = store.batch()
  batch.put(new Key('/a/2'), Uint8Array.of(2))
  batch.put(new Key('/b_%/1'), Uint8Array.of(3))
  batch.delete(new Key('/a/1'))
  assert.equal(store.has(new Key('/a/2')), false)
  await batch.commit()
  assert.throws(() => store.get(new Key('/a/1')), { name: 'NotFoundError' })
  assert.deepEqual(await Array.fromAsync(store.query({ prefix: '/a' }), ({ key }) => key.toString()), ['/a/2'])
  assert.deepEqual(await Array.fromAsync(store.queryKeys({ prefix: '/b_%' }), String), ['/b_%/1'])
  store.put(new Key('/dht/provider/x'), new Uint8Array(1_000))
  assert.equal(store.has(new Key('/dht/provider/x')), false, 'what strangers tell kad-dht is not kept')
})

test('a group key lets its members in and nobody else; much data passes', async () => {
  const path = join(folder, 'group')
  writeFileSync(path, newGroupKey())
  const key = await readGroupKey(path)
  const [a, b, stranger] = await Promise.all([startTestHost({}, key), startTestHost({}, key), startTestHost({})])
  try {
    let received = 0
    await b.handle('/test/bulk/1.0.0', stream => {
      new FramedStream(stream, { maxFrameBytes: 1 << 20 }).receive(
        frame => {
          received += frame.reduce((sum, part) => sum + part.byteLength, 0)
        },
        () => {}
      )
    })
    const framed = new FramedStream(await a.dialProtocol(b.getMultiaddrs(), '/test/bulk/1.0.0'), { maxFrameBytes: 0 })
    for (let i = 0; i < 12; i++) framed.write(new Uint8Array(1 << 20))
    await eventually('12 MiB', () => received === 12 << 20)
    await assert.rejects(stranger.dial(b.getMultiaddrs()))
  } finally {
    await Promise.all([a.stop(), b.stop(), stranger.stop()])
  }
  writeFileSync(path, 'not a key')
  await assert.rejects(readGroupKey(path), { code: 'BAD_KEY' })
  assert.notEqual(groupTag(key), groupTag(undefined))
})

const machine = {
  lo: [
    { address: '127.0.0.1', family: 'IPv4', internal: true },
    { address: '::1', family: 'IPv6', internal: true }
  ],
  eth0: [
    { address: '192.168.1.5', family: 'IPv4', internal: false },
    { address: 'fe80::1', family: 'IPv6', internal: false }
  ],
  docker0: [{ address: '172.17.0.1', family: 'IPv4', internal: false }]
} as unknown as NodeJS.Dict<import('node:os').NetworkInterfaceInfo[]>

test('interfaces: all but container bridges, or just those that are named', () => {
  assert.deepEqual(
    usableInterfaces(machine, []).map(({ name }) => name),
    ['lo', 'eth0']
  )
  assert.deepEqual(
    usableInterfaces(machine, ['docker0']).map(({ name }) => name),
    ['docker0']
  )
  assert.throws(() => usableInterfaces(machine, ['eth7']), { code: 'USAGE', message: /lo, eth0, docker0/ })
  assert.deepEqual(listenAddresses(usableInterfaces(machine, []), []), ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'])
  assert.deepEqual(listenAddresses(usableInterfaces(machine, ['lo']), ['lo']), [
    '/ip4/127.0.0.1/tcp/0',
    '/ip6/::1/tcp/0'
  ])
})

test('loopback addresses are told only when there are no others', () => {
  const all = ['/ip4/127.0.0.1/tcp/1', '/ip4/192.168.1.5/tcp/1', '/ip4/172.17.0.1/tcp/1']
  assert.deepEqual(announceFilter(usableInterfaces(machine, []))(all), ['/ip4/192.168.1.5/tcp/1'])
  assert.deepEqual(announceFilter(usableInterfaces(machine, ['lo']))(all), ['/ip4/127.0.0.1/tcp/1'])
})

test('peers on the loopback interface hear one another by mDNS, groups hear only their own', async () => {
  const heard = new Map<string, Set<string>>()
  const make = (name: string, tag: string): MdnsDiscovery => {
    heard.set(name, new Set())
    return new MdnsDiscovery({
      tag,
      interfaces: ['lo'],
      addresses: () => [`/ip4/127.0.0.1/tcp/1234/p2p/${name}`],
      onFound: addresses => addresses.forEach(address => void heard.get(name)?.add(address.split('/').at(-1)!)),
      networkInterfaces
    })
  }
  const tag = `_shoal-test-${process.pid}`
  const all = [make('a', tag), make('b', tag), make('c', tag), make('x', `${tag}-other`)]
  for (const discovery of all) discovery.start()
  try {
    await eventually('all three hear the other two', () => ['a', 'b', 'c'].every(name => heard.get(name)!.size === 2))
    assert.equal(heard.get('x')!.size, 0)
    assert.equal(heard.get('a')!.has('x'), false)
    assert.deepEqual(
      all[0]!.interfaces.map(({ name, working }) => [name, working]),
      [['lo', true]]
    )
  } finally {
    await Promise.all(all.map(discovery => discovery.stop()))
  }
})

test('misdeeds add up to a ban, are forgotten with time, and are told', () => {
  let now = 0
  const banned: unknown[] = []
  const reputation = new Reputation({ onBan: peer => banned.push(peer), clock: () => now })
  const peer = 'p' as never
  for (let i = 0; i < 9; i++) reputation.penalise(peer, 'rude')
  assert.equal(reputation.isBanned(peer), false)
  now += 11 * 60_000
  reputation.penalise(peer, 'rude')
  assert.equal(reputation.isBanned(peer), false)
  reputation.penalise(peer, 'wrong content', 5)
  reputation.penalise(peer, 'wrong content', 5)
  assert.equal(reputation.isBanned(peer), true)
  assert.deepEqual(banned, [peer])
  assert.deepEqual(reputation.reasonsOf(peer), [
    { reason: 'rude', count: 1 },
    { reason: 'wrong content', count: 2 }
  ])
  now += 61 * 60_000
  assert.equal(reputation.isBanned(peer), false)
})

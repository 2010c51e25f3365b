import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import type { Peer } from '../../../protocols/core/peer.ts'
import { ContactBook, contactLimits, fewAddresses } from '../../../protocols/libp2p/contacts.ts'
import { startTestHost } from '../../libp2p/hosts.ts'

const { burst, rate } = contactLimits.dialsOfTeller
const tellers = Array.from({ length: 10 }, (_, i) => `teller${i}` as unknown as Peer)
const [one, two, three, four] = tellers as [Peer, Peer, Peer, Peer]

let host: Libp2p
async function fresh(): Promise<{ book: ContactBook; clock: { now: number } }> {
  host ??= await startTestHost({})
  const clock = { now: 0 }
  return { book: new ContactBook(host.peerStore, () => clock.now), clock }
}
after(async () => {
  await host?.stop()
})

interface Someone {
  id: PeerId
  peer: Peer
  key: PrivateKey
  record(sequence: number, ...addresses: string[]): Promise<Uint8Array>
}

async function someone(): Promise<Someone> {
  const key = await generateKeyPair('Ed25519')
  const id = peerIdFromPrivateKey(key)
  const record = async (sequence: number, ...addresses: string[]): Promise<Uint8Array> => {
    const multiaddrs = addresses.map(address => multiaddr(address))
    const envelope = await RecordEnvelope.seal(
      new PeerRecord({ peerId: id, multiaddrs, seqNumber: BigInt(sequence) }),
      key
    )
    return envelope.marshal().subarray()
  }
  return { id, peer: id.toString() as Peer, key, record }
}

const tell = (book: ContactBook, teller: Peer, peer: Peer, record?: Uint8Array): void =>
  book.readingFrom(teller, () => book.hear(peer, record))
const garbage = (i = 0): Uint8Array => new Uint8Array(300).fill(i + 1)
const addressesOf = async (id: PeerId): Promise<string[]> =>
  (await host.peerStore.get(id)).addresses.map(({ multiaddr: address }) => address.toString())

test('garbage that is told first does not keep out the truth, and wrong signatures count for nothing', async () => {
  const { book } = await fresh()
  const { id, peer, record } = await someone()
  const other = await someone()
  tell(book, one, peer, garbage())
  tell(book, two, peer, await other.record(9, '/ip4/127.0.0.2/tcp/2'))
  tell(book, three, peer, await record(1, '/ip4/127.0.0.1/tcp/1'))
  await book.prepareDial(id, peer)
  assert.deepEqual(await addressesOf(id), ['/ip4/127.0.0.1/tcp/1'])
  assert.deepEqual(book.recordOf(peer), await record(1, '/ip4/127.0.0.1/tcp/1'), 'and that is what is told on')
  assert.equal(await host.peerStore.has(other.id), false)
})

test('the newest record counts, whoever told it and whenever; an old one told again does not', async () => {
  const { book } = await fresh()
  const { id, peer, record } = await someone()
  const [first, second, third] = [
    await record(1, '/ip4/127.0.0.1/tcp/1'),
    await record(2, '/ip4/127.0.0.1/tcp/2'),
    await record(3, '/ip4/127.0.0.1/tcp/3')
  ]
  tell(book, one, peer, second)
  tell(book, two, peer, first)
  await book.prepareDial(id, peer)
  assert.deepEqual(await addressesOf(id), ['/ip4/127.0.0.1/tcp/2'])
  tell(book, two, peer, third)
  await book.prepareDial(id, peer)
  assert.deepEqual(await addressesOf(id), ['/ip4/127.0.0.1/tcp/3'], 'also of a peer whose record is checked')
  tell(book, one, peer, first)
  await book.prepareDial(id, peer)
  assert.deepEqual(await addressesOf(id), ['/ip4/127.0.0.1/tcp/3'])
  assert.deepEqual(book.recordOf(peer), third)
})

test('a peer that was met and has moved is reached at what it signed last', async () => {
  const { book } = await fresh()
  const { id, peer, record } = await someone()
  book.trust(peer, await record(1, '/ip4/127.0.0.1/tcp/1'))
  tell(book, one, peer, await record(2, '/ip4/127.0.0.1/tcp/2'))
  await book.prepareDial(id, peer)
  assert.deepEqual(await addressesOf(id), ['/ip4/127.0.0.1/tcp/2'])
})

test('what is kept of one peer is bounded: the last word of the last three that told', async () => {
  const { book } = await fresh()
  const { id, peer, record } = await someone()
  const truth = await record(1, '/ip4/127.0.0.1/tcp/1')
  for (const [i, teller] of tellers.entries()) tell(book, teller, peer, garbage(i))
  assert.deepEqual(book.recordOf(peer), garbage(9))
  tell(book, one, peer, truth)
  for (let i = 0; i < 50; i++) tell(book, two, peer, garbage(i))
  await book.prepareDial(id, peer)
  assert.deepEqual(await addressesOf(id), ['/ip4/127.0.0.1/tcp/1'], 'one teller has one place')
})

test('one teller cannot make us forget what others told, nor keep more than its share', async () => {
  const { book } = await fresh()
  const names = Array.from({ length: contactLimits.maxContactsPerSource + 10 }, (_, i) => `peer${i}` as unknown as Peer)
  tell(book, two, names[0]!, garbage())
  for (const name of names) tell(book, one, name, garbage(1))
  assert.deepEqual(book.recordOf(names[0]!), garbage(), 'the first is known from somebody else as well')
  assert.equal(book.recordOf(names[1]!), undefined)
  assert.ok(book.recordOf(names.at(-1)!) !== undefined)
})

test('a record with many addresses gives a few, of both families, and no names', async () => {
  const { book } = await fresh()
  const { id, peer, record } = await someone()
  const many = Array.from({ length: 60 }, (_, i) => `/ip4/127.0.${i}.1/tcp/1`)
  tell(book, one, peer, await record(1, ...many))
  await book.prepareDial(id, peer)
  assert.equal((await addressesOf(id)).length, contactLimits.maxAddresses)
  const mixed = [...many, '/dns4/a.example/tcp/1', '/ip6/2001:db8::1/tcp/1', '/ip4/127.0.0.1/udp/1', '/unix/%2ftmp']
  const few = fewAddresses(mixed.map(address => multiaddr(address))).map(String)
  assert.deepEqual(few, [many[0], '/ip6/2001:db8::1/tcp/1', many[1], many[2]])
  const named = ['/dns4/a.example/tcp/1', `/ip4/127.0.0.1/tcp/1/p2p/${peer}/p2p-circuit`]
  assert.deepEqual(fewAddresses(named.map(address => multiaddr(address))), [])
})

test('one teller makes us dial so many peers that we never met, with a record or without, and then one a second', async () => {
  const { book, clock } = await fresh()
  const dials = async (teller: Peer, count: number): Promise<number> => {
    let allowed = 0
    for (let i = 0; i < count; i++) {
      const { id, peer } = await someone()
      tell(book, teller, peer, i % 2 === 0 ? garbage() : undefined)
      await book.prepareDial(id, peer).then(
        () => allowed++,
        () => {}
      )
    }
    return allowed
  }
  assert.equal(await dials(one, burst + 20), burst)
  assert.equal(await dials(two, 5), 5, 'others are not in its way')
  clock.now += 4_000
  assert.equal(await dials(one, 20), 4 * rate)
  clock.now += 60_000
  let all = 0
  for (const teller of tellers) all += await dials(teller, burst)
  assert.equal(all, contactLimits.dialsOfAll.burst, 'nor do many tellers together make us dial without end')
})

test('several protocols that dial one peer at once are one dial; a peer that was met costs nobody anything', async () => {
  const { book, clock } = await fresh()
  const [known, told] = [await someone(), await someone()]
  book.trust(known.peer, await known.record(1, '/ip4/127.0.0.1/tcp/1'))
  tell(book, one, known.peer, garbage())
  tell(book, one, told.peer, garbage())
  for (let i = 0; i < 2 * burst; i++) {
    await book.prepareDial(known.id, known.peer)
    await book.prepareDial(told.id, told.peer)
  }
  for (let i = 0; i < burst - 1; i++) {
    clock.now += contactLimits.sameDialMs / 1_000
    const { id, peer } = await someone()
    tell(book, one, peer, garbage())
    await book.prepareDial(id, peer)
  }
  const last = await someone()
  tell(book, one, last.peer, garbage())
  await assert.rejects(book.prepareDial(last.id, last.peer))
  tell(book, four, last.peer, undefined)
  await book.prepareDial(last.id, last.peer)
  await book.prepareDial((await someone()).id, (await someone()).peer)
})

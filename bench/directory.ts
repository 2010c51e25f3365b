/**
 * Ring and directory beside kad-dht on the same libp2p hosts in one process, on the loopback interface: how long it takes
 * to find the owner of a key and what lies under it, and how many connections that costs. Then half of the hosts go at
 * once, and everything of which a copy is left is looked for.
 *
 *     node bench/directory.ts [--peers 64] [--keys 32] [--seed 1] [--json]
 */
import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId, PeerStore, PrivateKey } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import { type ChordService, chordService } from '../protocols/chord/handler.ts'
import type { ChordEvent } from '../protocols/chord/index.ts'
import { isOwned, type RingId, ringIdFromBytes } from '../protocols/core/keyspace.ts'
import type { Peer } from '../protocols/core/peer.ts'
import { seededRng } from '../protocols/core/rng.ts'
import { type DirectoryService, directoryService } from '../protocols/directory/handler.ts'
import { type DirectoryEvent, MemoryRecordStore } from '../protocols/directory/index.ts'
import { ContactBook, followRecords } from '../protocols/libp2p/contacts.ts'
import type { DriverComponents } from '../protocols/libp2p/driver.ts'
import { createHost, startHost } from '../src/libp2p/host.ts'
import { eventually } from '../src/testkit/wait.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '64' },
    keys: { type: 'string', default: '32' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false }
  }
})
const [count, keyCount, seed] = [Number(values.peers), Number(values.keys), Number(values.seed)]
if (!(Number.isInteger(count) && count >= 8)) throw new RangeError(`--peers ${values.peers}: at least eight`)
const KNOWN = 3
const SETTLE_MS = 120_000
const QUIET_MS = 2_000
const rng = seededRng(seed)

interface Node {
  host: Libp2p
  chord: ChordService
  directory: DirectoryService
  kad: KadDHT
  peer: Peer
  /** Answers that are waited for, by id. */
  found: Map<number, (event: ChordEvent) => void>
  got: Map<number, (event: DirectoryEvent) => void>
  dials: number
}

type Components = DriverComponents & {
  peerId: PeerId
  peerStore: PeerStore
  events: EventTarget
  privateKey: PrivateKey
}

async function start(n: number): Promise<Node> {
  const found: Node['found'] = new Map()
  const got: Node['got'] = new Map()
  const listen = ['/ip4/127.0.0.1/tcp/0']
  let book: ContactBook | undefined
  const contactsOf = (components: Components): ContactBook => {
    if (book === undefined) {
      book = new ContactBook(components.peerStore)
      followRecords(book, components)
    }
    return book
  }
  const node = {} as Node
  let lookups = 1_000_000
  const host = await createHost<{ chord: ChordService; directory: DirectoryService; kad: KadDHT }>({
    privateKey: await generateKeyPair('Ed25519'),
    datastore: new MemoryDatastore(),
    listen,
    announce: addresses => addresses,
    groupKey: undefined,
    isBanned: () => false,
    onPenalty: () => {},
    services: {
      chord: (components: Components) =>
        chordService({
          contacts: contactsOf(components),
          rng: seededRng(seed * 1_000 + n),
          hasCopy: key => node.directory.hasCached(key),
          onEvent: event => {
            if (event.type === 'ring') node.directory.command(event)
            else if (event.type !== 'left') take(found, event.id)?.(event)
          },
          onPenalty: () => {}
        })(components),
      directory: (components: Components) =>
        directoryService({
          contacts: contactsOf(components),
          rng: seededRng(seed * 1_000 + n),
          records: new MemoryRecordStore(),
          onEvent: event => {
            if (event.type === 'lookup') {
              const { id, key, mayBeCached } = event
              const lookup = ++lookups
              found.set(lookup, answer => {
                if (answer.type === 'found') {
                  const { owner, successors, via, isCopy } = answer
                  const last = via === undefined ? {} : { via }
                  node.directory.command({ type: 'found', id, owner, replicas: successors, ...last, isCached: isCopy })
                } else node.directory.command({ type: 'lookupFailed', id })
              })
              node.chord.command({ type: 'lookup', id: lookup, key, orCopy: mayBeCached })
            } else if (event.type !== 'left') take(got, event.id)?.(event)
          },
          onPenalty: () => {}
        })(components),
      kad: kadDHT({
        protocol: '/shoal-bench/kad/1.0.0',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        logPrefix: 'libp2p:kad-bench',
        metricsPrefix: 'kad_bench',
        datastorePrefix: '/kad-bench',
        allowQueryWithZeroPeers: true
      }) as never
    }
  })
  const { chord, directory, kad } = host.services
  Object.assign(node, { host, chord, directory, kad, peer: host.peerId.toString() as Peer, found, got, dials: 0 })
  host.addEventListener('connection:open', ({ detail }) => {
    if (detail.direction === 'outbound') node.dials++
  })
  await startHost(host, listen)
  return node
}

function take<T>(map: Map<number, T>, id: number): T | undefined {
  const value = map.get(id)
  map.delete(id)
  return value
}

let lastId = 0

function lookup(node: Node, key: RingId): Promise<Peer | undefined> {
  return new Promise(resolve => {
    const id = ++lastId
    node.found.set(id, event => resolve(event.type === 'found' ? event.owner : undefined))
    node.chord.command({ type: 'lookup', id, key })
  })
}

/** Publishers of what lies under the key. */
function get(node: Node, key: RingId): Promise<Peer[]> {
  return new Promise(resolve => {
    const id = ++lastId
    node.got.set(id, event => resolve(event.type === 'got' ? event.entries.map(({ publisher }) => publisher) : []))
    node.directory.command({ type: 'get', id, key })
  })
}

function put(node: Node, key: RingId): Promise<number> {
  return new Promise(resolve => {
    const id = ++lastId
    node.got.set(id, event => resolve(event.type === 'stored' ? event.copies : 0))
    node.directory.command({ type: 'put', id, entry: { kind: 'member', key, payload: new Uint8Array(100) } })
  })
}

/** Time and connections of the calls of one kind. */
class Account {
  readonly ms: number[] = []
  dials = 0
  right = 0

  async add(nodes: readonly Node[], call: () => Promise<boolean>): Promise<void> {
    const before = dialsOf(nodes)
    const started = performance.now()
    if (await call()) this.right++
    this.ms.push(performance.now() - started)
    this.dials += dialsOf(nodes) - before
  }

  summary(): { mean: number; p50: number; p99: number; dials: number; right: number } {
    const sorted = this.ms.toSorted((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
    const calls = this.ms.length
    const mean = this.ms.reduce((sum, ms) => sum + ms, 0) / calls
    return { mean, p50: at(0.5), p99: at(0.99), dials: this.dials / calls, right: this.right / calls }
  }
}

const dialsOf = (nodes: readonly Node[]): number => nodes.reduce((sum, { dials }) => sum + dials, 0)

const cidOf = (key: RingId): CID => CID.createV1(raw.code, createDigest(0x12, Buffer.from(key, 'hex')))

function isPerfect(nodes: readonly Node[]): boolean {
  const order = nodes.toSorted((a, b) => (a.chord.idOf(a.peer) < b.chord.idOf(b.peer) ? -1 : 1))
  const length = Math.min(16, order.length - 1)
  return order.every(({ chord }, i) => {
    const { predecessor, successors } = chord.place
    const at = (k: number): Peer | undefined => order[(i + k + order.length) % order.length]?.peer
    return predecessor === at(-1) && successors.length === length && successors.every((peer, k) => peer === at(k + 1))
  })
}

const nodes: Node[] = []
try {
  for (let n = 0; n < count; n++) {
    const node = await start(n)
    for (const other of rng.sample(nodes, KNOWN)) await node.host.dial(other.host.getMultiaddrs())
    nodes.push(node)
  }
  await eventually('the ring is perfect', () => isPerfect(nodes), SETTLE_MS)
  await Promise.all(nodes.map(({ kad }) => kad.refreshRoutingTable()))
  // kad-dht goes on filling its tables for a while
  let before = -1
  await eventually(
    'nobody dials any more',
    async () => {
      if (before === dialsOf(nodes)) return true
      before = dialsOf(nodes)
      await new Promise(resolve => setTimeout(resolve, QUIET_MS))
      return false
    },
    SETTLE_MS
  )

  const keys = Array.from({ length: keyCount }, (_, i) => ({
    key: ringIdFromBytes(createHash('sha256').update(`${seed} ${i}`).digest()),
    publisher: rng.pick(nodes)
  }))
  const accounts = {
    put: new Account(),
    provide: new Account(),
    lookup: new Account(),
    closest: new Account(),
    get: new Account(),
    providers: new Account()
  }
  for (const { key, publisher } of keys) {
    await accounts.put.add(nodes, async () => (await put(publisher, key)) === 4)
    await accounts.provide.add(nodes, async () => {
      for await (const _ of publisher.kad.provide(cidOf(key)));
      return true
    })
  }
  // one after another, in turn, so that each finds about the same connections open
  for (const node of rng.sample(nodes, nodes.length)) {
    for (const { key, publisher } of keys) {
      const { owner } = { owner: ownerOf(nodes, key) }
      await accounts.lookup.add(nodes, async () => (await lookup(node, key)) === owner)
      await accounts.closest.add(nodes, async () => {
        let peers = 0
        for await (const event of node.kad.getClosestPeers(Buffer.from(key, 'hex'))) {
          if (event.name === 'FINAL_PEER') peers++
        }
        return peers > 0
      })
      await accounts.get.add(nodes, async () => (await get(node, key)).includes(publisher.peer))
      await accounts.providers.add(nodes, async () => {
        for await (const event of node.kad.findProviders(cidOf(key))) {
          if (event.name !== 'PROVIDER') continue
          if (event.providers.some(({ id }) => (id.toString() as Peer) === publisher.peer)) return true
        }
        return false
      })
    }
  }

  const going = new Set(rng.sample(nodes, Math.floor(count / 2)))
  const staying = nodes.filter(node => !going.has(node))
  const hadCopies = keys.filter(({ key }) => holdersOf(nodes, key).some(node => staying.includes(node)))
  const killedAt = performance.now()
  for (const { host } of going) for (const connection of host.getConnections()) connection.abort(new Error('killed'))
  await Promise.all([...going].map(({ host }) => host.stop()))
  await eventually('the ring has healed', () => isPerfect(staying), SETTLE_MS)
  const healedMs = performance.now() - killedAt
  let after = 0
  for (const { key, publisher } of hadCopies) {
    if ((await get(rng.pick(staying), key)).includes(publisher.peer)) after++
  }

  const result = {
    peers: count,
    keys: keyCount,
    seed,
    ...Object.fromEntries(Object.entries(accounts).map(([name, account]) => [name, account.summary()])),
    killed: going.size,
    healedMs,
    withCopy: hadCopies.length,
    foundAfter: after
  }
  if (values.json) console.log(JSON.stringify({ v: 1, type: 'bench-directory', ...result }))
  else {
    const line = (name: string, account: Account): void => {
      const { mean, p50, p99, dials, right } = account.summary()
      console.log(
        `${name.padEnd(36)} mean ${mean.toFixed(1)} ms, p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}; ` +
          `${dials.toFixed(3)} dials a call; right ${(100 * right).toFixed(1)} %`
      )
    }
    console.log(`${count} hosts in one process, ${keyCount} keys, seed ${seed}: each key from each host`)
    line('ring: owner of a key', accounts.lookup)
    line('kad-dht: getClosestPeers', accounts.closest)
    line('directory: get', accounts.get)
    line('kad-dht: findProviders, first answer', accounts.providers)
    line('directory: put, four copies', accounts.put)
    line('kad-dht: provide', accounts.provide)
    console.log(
      `${going.size} hosts gone at once: the ring is perfect after ${(healedMs / 1_000).toFixed(1)} s; ` +
        `${after} of ${hadCopies.length} keys with a copy left are found`
    )
  }
} finally {
  await Promise.all(nodes.map(({ host }) => host.stop()))
}

function ownerOf(all: readonly Node[], key: RingId): Peer | undefined {
  return all.find(({ chord, peer }) => {
    const { predecessor } = chord.place
    return predecessor !== undefined && isOwned(chord.idOf(predecessor), key, chord.idOf(peer))
  })?.peer
}

/** The owner and the next three. */
function holdersOf(all: readonly Node[], key: RingId): Node[] {
  const owner = all.find(({ peer }) => peer === ownerOf(all, key))
  if (owner === undefined) return []
  const holders = [owner.peer, ...owner.chord.place.successors.slice(0, 3)]
  return all.filter(({ peer }) => holders.includes(peer))
}

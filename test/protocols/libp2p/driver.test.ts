import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p } from '@libp2p/interface'
import { ByteReader } from '../../../protocols/core/byte-reader.ts'
import { ByteWriter } from '../../../protocols/core/byte-writer.ts'
import type { Codec } from '../../../protocols/core/codec.ts'
import type { Input, Machine, Output } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { type Driver, type DriverInit, driverService } from '../../../protocols/libp2p/driver.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'

interface Note {
  number: number
  text: string
}
type Command = { type: 'say'; to: Peer; note: Note } | { type: 'wake'; at: number }

const codec: Codec<Note> = {
  encode: ({ number, text }) => new ByteWriter().u32(number).text(text).finish(),
  decode(bytes) {
    const reader = new ByteReader(bytes)
    const note = { number: reader.u32(), text: reader.text(60_000) }
    reader.end()
    return note
  }
}

/** Tells everything it gets as an event, and answers notes below 100 with the next number. */
class Recorder implements Machine<Command, Note, Input<Command, Note>> {
  #wakeAt: number | undefined

  handle(input: Input<Command, Note>, now: number): Output<Note, Input<Command, Note>>[] {
    const outputs: Output<Note, Input<Command, Note>>[] = [{ type: 'event', event: input }]
    if (input.type === 'say') outputs.push({ type: 'send', to: input.to, message: input.note })
    if (input.type === 'wake') this.#wakeAt = now + input.at
    if (input.type === 'tick' && this.#wakeAt !== undefined && now >= this.#wakeAt) this.#wakeAt = undefined
    if (input.type === 'received' && input.message.number < 100) {
      outputs.push({ type: 'send', to: input.from, message: { number: input.message.number + 1, text: 'next' } })
    }
    if (input.type === 'received' && input.message.text === 'throw') throw new Error('a mistake of ours')
    return outputs
  }

  nextTick(): number | undefined {
    return this.#wakeAt
  }
}

interface TestNode {
  host: Libp2p
  driver: Driver<Command, Note, Input<Command, Note>>
  peer: Peer
  seen: Input<Command, Note>[]
  penalties: string[]
}

const nodes: TestNode[] = []
after(async () => {
  await Promise.all(nodes.map(node => node.host.stop()))
})

async function start(limits: DriverInit<Command, Note, unknown>['limits'] = {}): Promise<TestNode> {
  const seen: Input<Command, Note>[] = []
  const penalties: string[] = []
  const host = await startTestHost({
    driver: driverService({
      protocol: '/test/notes/1.0.0',
      machine: new Recorder(),
      codec,
      limits,
      onEvent: (event: Input<Command, Note>) => seen.push(event),
      onPenalty: (_, reason) => penalties.push(reason)
    })
  })
  const node = { host, driver: host.services.driver, peer: host.peerId.toString() as Peer, seen, penalties }
  nodes.push(node)
  return node
}

const count = (node: TestNode, type: string): number => node.seen.filter(input => input.type === type).length

test('two machines talk over one connection, and learn of one another and of the end', async () => {
  const [a, b] = [await start(), await start()]
  await a.host.dial(b.host.getMultiaddrs())
  await eventually('both know', () => count(a, 'peerUp') === 1 && count(b, 'peerUp') === 1)
  a.driver.command({ type: 'say', to: b.peer, note: { number: 90, text: 'hello' } })
  await eventually('the answers', () => count(a, 'received') === 5 && count(b, 'received') === 6)
  assert.deepEqual(
    a.seen.flatMap(input => (input.type === 'received' ? [input.message.number] : [])),
    [91, 93, 95, 97, 99]
  )
  const connection = a.host.getConnections()[0]!
  assert.equal(connection.streams.filter(({ protocol }) => protocol === '/test/notes/1.0.0').length, 2)
  await connection.close()
  await eventually('both know the end', () => count(a, 'peerDown') === 1 && count(b, 'peerDown') === 1)
})

test('a send to a peer without connection dials; when that fails the machine is told', async () => {
  const [a, b] = [await start(), await start()]
  await a.host.peerStore.merge(b.host.peerId, { multiaddrs: b.host.getMultiaddrs() })
  a.driver.command({ type: 'say', to: b.peer, note: { number: 200, text: 'first' } })
  await eventually('it arrives', () => count(b, 'received') === 1)
  await b.host.stop()
  await eventually('the end', () => count(a, 'peerDown') === 1)
  a.driver.command({ type: 'say', to: b.peer, note: { number: 200, text: 'lost' } })
  await eventually('the failed dial', () => count(a, 'peerDown') === 2)
})

test('two that dial one another at once are one peer, and every message arrives once', async () => {
  const [a, b] = [await start(), await start()]
  await Promise.all([a.host.dial(b.host.getMultiaddrs()), b.host.dial(a.host.getMultiaddrs())])
  await eventually('both know', () => count(a, 'peerUp') > 0 && count(b, 'peerUp') > 0)
  for (let i = 0; i < 50; i++) {
    a.driver.command({ type: 'say', to: b.peer, note: { number: 1000 + i, text: '' } })
    b.driver.command({ type: 'say', to: a.peer, note: { number: 2000 + i, text: '' } })
  }
  await eventually('all notes', () => count(a, 'received') === 50 && count(b, 'received') === 50)
  assert.equal(count(a, 'peerUp') + count(b, 'peerUp'), 2)
})

test('garbage, oversized frames and floods are penalised, and the node goes on', async () => {
  const [a, b] = [await start(), await start({ maxFrameBytes: 1000, inbound: { rate: 1, burst: 20 } })]
  const dial = () => a.host.dialProtocol(b.host.getMultiaddrs(), '/test/notes/1.0.0')
  ;(await dial()).send(Uint8Array.of(0, 0, 0, 2, 9, 9))
  await eventually('garbage', () => b.penalties.some(reason => /ends inside/.test(reason)))
  ;(await dial()).send(Uint8Array.of(0xff, 0, 0, 0))
  await eventually('a huge frame', () => b.penalties.some(reason => /frame of/.test(reason)))
  const note = codec.encode({ number: 500, text: '' })
  const flood = new Uint8Array(Array.from({ length: 40 }, () => [0, 0, 0, note.byteLength, ...note]).flat())
  ;(await dial()).send(flood)
  await eventually('a flood', () => b.penalties.some(reason => /messages a second/.test(reason)))
  assert.ok(count(b, 'received') <= 20)
})

test('a machine that throws costs that input only', async () => {
  const [a, b] = [await start(), await start()]
  await a.host.dial(b.host.getMultiaddrs())
  a.driver.command({ type: 'say', to: b.peer, note: { number: 300, text: 'throw' } })
  a.driver.command({ type: 'say', to: b.peer, note: { number: 301, text: 'fine' } })
  await eventually('the fault is counted', () => b.driver.stats.faults === 1)
  await eventually('the next is handled', () => count(b, 'received') === 1)
})

test('a tick comes when the machine asks for one', async () => {
  const a = await start()
  a.driver.command({ type: 'wake', at: 10 })
  await eventually('the tick', () => count(a, 'tick') > 0)
})

test('a peer that does not read costs its budget and no more', async () => {
  const a = await start({ sendBudgetBytes: 200_000 })
  const b = await start()
  await b.host.unhandle('/test/notes/1.0.0')
  await b.host.handle('/test/notes/1.0.0', stream => stream.pause())
  await a.host.dial(b.host.getMultiaddrs())
  const text = 'x'.repeat(50_000)
  for (let i = 0; i < 2_000; i++) {
    a.driver.command({ type: 'say', to: b.peer, note: { number: 500, text } })
    if (i % 20 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(a.driver.stats.dropped > 1_000, `${a.driver.stats.dropped} dropped`)
})

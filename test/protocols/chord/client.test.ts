import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChordClient, type ChordEvent, type ChordMessage } from '../../../protocols/chord/index.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { idOf, keyAt, peers } from './ids.ts'

const [SELF, FIRST, OWNER] = peers(10, 50, 120) as [Peer, Peer, Peer]

function client() {
  const machine = new ChordClient({ self: SELF, rng: seededRng(1), idOf })
  let now = 0
  const give = (input: Parameters<ChordClient['handle']>[0]) => machine.handle(input, ++now)
  const received = (from: Peer, message: ChordMessage) => give({ type: 'received', from, message })
  return { machine, give, received }
}

test('it asks the ring through whoever it is connected to', () => {
  const { give, received } = client()
  give({ type: 'peerUp', peer: FIRST })
  const [asked] = give({ type: 'lookup', id: 7, key: keyAt(100), mode: 'iterative' })
  assert.ok(asked?.type === 'send' && asked.to === FIRST && asked.message.type === 'route')
  assert.deepEqual(asked.message.lost, [SELF], 'it is not on the ring')
  const way = { role: 'way', predecessor: undefined, before: [], after: [OWNER] } as const
  const [next] = received(FIRST, { type: 'hop', id: asked.message.id, ...way })
  assert.ok(next?.type === 'send' && next.to === OWNER && next.message.type === 'route' && next.message.asOwner)
  const owner = { role: 'owner', predecessor: FIRST, before: [], after: [FIRST] } as const
  const [found] = received(OWNER, { type: 'hop', id: next.message.id, ...owner })
  const event = found?.type === 'event' ? (found.event as ChordEvent & { type: 'found' }) : undefined
  assert.deepEqual([event?.type, event?.id, event?.owner], ['found', 7, OWNER])
})

test('without a connection it knows nothing', () => {
  const { give } = client()
  const [failed] = give({ type: 'lookup', id: 1, key: keyAt(100) })
  assert.ok(failed?.type === 'event' && failed.event.type === 'lookupFailed')
})

test('it is nobody’s way, and nobody’s successor', () => {
  const { machine, give, received } = client()
  give({ type: 'peerUp', peer: FIRST })
  const answerTo = (message: ChordMessage): ChordMessage | undefined => {
    const [out] = received(FIRST, message)
    return out?.type === 'send' ? out.message : undefined
  }
  assert.deepEqual(answerTo({ type: 'where', id: 1 }), { type: 'place', id: 1 })
  const route = { type: 'route', id: 2, key: keyAt(10), asOwner: true, orCopy: false, lost: [FIRST] } as const
  assert.deepEqual(answerTo(route), { type: 'hop', id: 2, role: 'way', predecessor: undefined, before: [], after: [] })
  const relay = { type: 'relay', id: 3, key: keyAt(10), asOwner: true, orCopy: false, hops: 0 } as const
  assert.deepEqual(answerTo(relay), { type: 'relayed', id: 3 })
  for (const message of [{ type: 'notify' }, { type: 'look' }] as const) assert.equal(answerTo(message), undefined)
  assert.deepEqual(machine.place, { predecessor: undefined, successors: [] })
  assert.equal(machine.nextTick(), undefined)
})

test('a lookup ends although nobody answers', () => {
  const { machine, give } = client()
  give({ type: 'peerUp', peer: FIRST })
  give({ type: 'lookup', id: 1, key: keyAt(100) })
  const events: string[] = []
  for (let due = machine.nextTick(); due !== undefined; due = machine.nextTick()) {
    for (const out of machine.handle({ type: 'tick' }, due)) if (out.type === 'event') events.push(out.event.type)
  }
  assert.deepEqual(events, ['lookupFailed'])
})

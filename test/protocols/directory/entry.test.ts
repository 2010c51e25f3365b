import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import {
  type DirectoryConfig,
  type DirectoryMessage,
  directoryLimits,
  type Entry,
  itemsOf,
  itemsPayload,
  keyOfValue,
  type Outcome,
  ownKey,
  ownPayload,
  signedBytes
} from '../../../protocols/directory/index.ts'
import { Solo } from './solo.ts'
import { cryptoOf, EPOCH_MS, entryOf, hashOf, idOf } from './world.ts'

const [SELF, ANNA, BEN] = [0, 1, 2] as Peer[] as [Peer, Peer, Peer]
const KEY = hashOf('a file')
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A node alone on the ring, and what it says to an entry that Ben brings. */
class Alone extends Solo {
  #lastId = 0

  constructor(config: Partial<DirectoryConfig> = {}) {
    super(SELF, config)
    this.give({ type: 'ring', predecessor: undefined, successors: [] })
  }

  bring(entry: Entry): { outcome: Outcome | 'busy'; penalties: string[] } {
    const { sent, penalties } = this.hear(BEN, { type: 'store', id: ++this.#lastId, entry })
    const [answer] = sent.map(({ message }) => message) as [DirectoryMessage]
    assert.equal(sent.length, 1)
    const told = penalties.map(({ peer, reason }) => `${peer}: ${reason}`)
    return { outcome: answer.type === 'stored' ? answer.outcome : 'busy', penalties: told }
  }
}

const payload = new TextEncoder().encode('info')
const VALUE = keyOfValue(cryptoOf(SELF), payload)
const OWN = ownKey(cryptoOf(SELF), idOf(ANNA), 'profile')
const own = (name: string, length = 3): Uint8Array => ownPayload(name, new Uint8Array(length))
const seconds = (ms: number): number => Math.floor((EPOCH_MS + ms) / 1_000)
const right = entryOf(ANNA, { key: KEY })

const CASES: [string, Entry, Outcome][] = [
  ['a member', right, 'stored'],
  ['a value', entryOf(ANNA, { key: VALUE, kind: 'value', payload }), 'stored'],
  ['an own entry', entryOf(ANNA, { key: OWN, kind: 'own', payload: own('profile') }), 'stored'],
  ['a member of 2 KiB', entryOf(ANNA, { key: KEY, payload: new Uint8Array(2_048) }), 'stored'],
  ['one that lasts a day', entryOf(ANNA, { key: KEY, expires: seconds(24 * HOUR) }), 'stored'],
  ['a clock 10 min ahead', entryOf(ANNA, { key: KEY, seq: EPOCH_MS + 10 * MINUTE }), 'stored'],
  ['one that expired 9 min ago', entryOf(ANNA, { key: KEY, expires: seconds(-9 * MINUTE) }), 'stored'],
  ['a removed member', entryOf(ANNA, { key: KEY, isRemoved: true, payload: new Uint8Array() }), 'stored'],
  [
    'a removed value',
    entryOf(ANNA, { key: VALUE, kind: 'value', isRemoved: true, payload: new Uint8Array() }),
    'stored'
  ],
  [
    'a removed own entry',
    entryOf(ANNA, { key: OWN, kind: 'own', isRemoved: true, payload: own('profile', 0) }),
    'stored'
  ],

  ['one that expired 11 min ago', entryOf(ANNA, { key: KEY, expires: seconds(-11 * MINUTE) }), 'expired'],
  ['a clock 11 min ahead', entryOf(ANNA, { key: KEY, seq: EPOCH_MS + 11 * MINUTE }), 'future'],
  ['more than a day', entryOf(ANNA, { key: KEY, expires: seconds(24 * HOUR) + 1 }), 'tooLong'],
  ['a member of more than 2 KiB', entryOf(ANNA, { key: KEY, payload: new Uint8Array(2_049) }), 'tooLarge'],
  [
    'an own entry of more than 4 KiB',
    entryOf(ANNA, { key: OWN, kind: 'own', payload: own('profile', 4_089) }),
    'tooLarge'
  ],
  ['a removed member with a payload', entryOf(ANNA, { key: KEY, isRemoved: true }), 'tooLarge'],
  [
    'a removed own entry with more than its name',
    entryOf(ANNA, { key: OWN, kind: 'own', isRemoved: true, payload: own('profile', 1) }),
    'tooLarge'
  ],
  ['a value under another key', entryOf(ANNA, { key: KEY, kind: 'value', payload }), 'wrongKey'],
  ['an own entry of another name', entryOf(ANNA, { key: OWN, kind: 'own', payload: own('other') }), 'wrongKey'],
  ['an own entry of someone else', entryOf(BEN, { key: OWN, kind: 'own', payload: own('profile') }), 'wrongKey'],
  ['an own entry without a name', entryOf(ANNA, { key: OWN, kind: 'own', payload: new Uint8Array(1) }), 'wrongKey'],
  [
    'an own entry that ends inside its name',
    entryOf(ANNA, { key: OWN, kind: 'own', payload: Uint8Array.of(9, 1) }),
    'wrongKey'
  ],
  ['a signature of someone else', { ...right, publisher: BEN }, 'forged'],
  ['a signature of another key', { ...right, key: VALUE }, 'forged'],
  ['a signature of another kind', { ...entryOf(ANNA, { key: VALUE, payload }), kind: 'value' }, 'forged'],
  ['a signature of other bytes', { ...right, payload: Uint8Array.of(1) }, 'forged'],
  ['a later end than signed', { ...right, expires: right.expires + 1 }, 'forged'],
  ['a higher seq than signed', { ...right, seq: right.seq + 1 }, 'forged'],
  ['taken back by someone else', { ...right, isRemoved: true, payload: new Uint8Array() }, 'forged'],
  ['no signature', { ...right, signature: new Uint8Array() }, 'forged'],
  [
    'one of another network',
    {
      ...right,
      signature: cryptoOf(ANNA).sign(signedBytes('another', idOf(ANNA), right))
    },
    'forged'
  ]
]

for (const [what, entry, expected] of CASES) {
  test(`${what}: ${expected}`, () => {
    const alone = new Alone()
    const { outcome, penalties } = alone.bring(entry)
    assert.equal(outcome, expected)
    const isMisdeed = ['tooLarge', 'tooLong', 'wrongKey', 'forged'].includes(expected)
    assert.equal(penalties.length, isMisdeed ? 1 : 0)
    if (isMisdeed) assert.match(penalties[0] as string, /^2: an entry that is/)
    assert.equal(alone.records.usage().entries, expected === 'stored' ? 1 : 0)
  })
}

test('the newest counts: a replay is refused, and of two of one moment all keep the same', () => {
  const alone = new Alone()
  const at = (seq: number, text = ''): Entry =>
    entryOf(ANNA, { key: KEY, seq: EPOCH_MS + seq, payload: new TextEncoder().encode(text) })
  const kept = (): number | undefined => alone.records.get(KEY, idOf(ANNA))?.entry.seq
  assert.equal(alone.bring(at(5)).outcome, 'stored')
  assert.equal(alone.bring(at(5)).outcome, 'same')
  assert.equal(alone.bring(at(4)).outcome, 'old')
  assert.equal(kept(), EPOCH_MS + 5)
  const removed = entryOf(ANNA, { key: KEY, seq: EPOCH_MS + 6, isRemoved: true, payload: new Uint8Array() })
  assert.equal(alone.bring(removed).outcome, 'stored')
  assert.equal(alone.bring(at(5)).outcome, 'old')
  assert.equal(alone.bring(at(7)).outcome, 'stored')
  assert.equal(alone.records.usage().entries, 1)

  const twins = ['a', 'b', 'c', 'd', 'e'].map(text => at(9, text))
  const ends = [twins, twins.toReversed()].map(order => {
    const other = new Alone()
    for (const entry of order) assert.match(other.bring(entry).outcome, /stored|old/)
    return other.records.get(KEY, idOf(ANNA))?.hash
  })
  assert.equal(ends[0], ends[1])
})

test('quotas: of the node, of a publisher, of a key; who is there may be renewed', () => {
  const key = (i: number) => hashOf(`key ${i}`)
  const publisher = (i: number) => (100 + i) as Peer
  const cases: [Partial<DirectoryConfig>, (i: number) => Entry, number, Outcome][] = [
    [{ maxEntries: 3 }, i => entryOf(publisher(i), { key: key(i) }), 3, 'full'],
    [{ maxBytes: 3 * 300 }, i => entryOf(publisher(i), { key: key(i), payload: new Uint8Array(44) }), 3, 'full'],
    [{ publisherEntries: 3 }, i => entryOf(ANNA, { key: key(i) }), 3, 'quota'],
    [{ publisherBytes: 3 * 300 }, i => entryOf(ANNA, { key: key(i), payload: new Uint8Array(44) }), 3, 'quota'],
    [{ keyEntries: 3 }, i => entryOf(publisher(i), { key: KEY }), 3, 'keyFull']
  ]
  for (const [config, make, fits, refusal] of cases) {
    const alone = new Alone(config)
    for (let i = 0; i < fits; i++) assert.equal(alone.bring(make(i)).outcome, 'stored')
    assert.equal(alone.bring(make(fits)).outcome, refusal)
    const { key, publisher, payload } = make(0)
    assert.equal(alone.bring(entryOf(publisher, { key, payload, seq: EPOCH_MS + 1 })).outcome, 'stored')
    assert.equal(alone.records.usage().entries, fits)
  }
})

test('a place of a full key is free again when one has expired', () => {
  const alone = new Alone({ keyEntries: 1 })
  assert.equal(alone.bring(entryOf(ANNA, { key: KEY, expires: seconds(HOUR) })).outcome, 'stored')
  assert.equal(alone.bring(entryOf(BEN, { key: KEY })).outcome, 'keyFull')
  // its end, the skew of clocks, and the wait for the next look
  alone.runUntil(HOUR + directoryLimits.skewMs + 2 * MINUTE)
  assert.equal(alone.records.usage().entries, 0)
  assert.equal(alone.bring(entryOf(BEN, { key: KEY })).outcome, 'stored')
})

test('sets: items are sorted, and come once', () => {
  const items = ['b', 'a', 'b'].map(text => new TextEncoder().encode(text))
  const set = itemsPayload(items)
  assert.deepEqual([...set], [0, 2, 0, 1, 97, 0, 1, 98])
  assert.deepEqual(itemsOf(set).map(String), ['97', '98'])
  assert.throws(() => itemsOf(Uint8Array.of(0, 2, 0, 1, 97, 0, 1, 97)), /twice/)
  assert.throws(() => itemsOf(Uint8Array.of(0, 1, 0)), { name: 'DecodeError' })
})

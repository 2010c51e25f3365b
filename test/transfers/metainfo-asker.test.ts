import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '@libp2p/interface'
import { type FileId, type Infohash, idFromBytes } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import type { FetchOptions } from '../../protocols/metainfo/handler.ts'
import { buildMetainfo, type Metainfo, MetainfoError, parseInfo } from '../../protocols/metainfo/index.ts'
import { sha256 } from '../../src/sha256.ts'
import { MetainfoAsker, metainfoAskerConfig } from '../../src/transfers/metainfo-asker.ts'

const file = { path: ['x'], length: 5, root: 'ab'.repeat(32) as FileId }
const INFO = buildMetainfo({ name: 'x', files: [file], sha256 }).metainfo.infoBytes
const INFOHASH = idFromBytes<Infohash>(sha256(INFO))
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

interface Asked {
  peer: string
  options: FetchOptions
  answer(info: Uint8Array | undefined): void
  fail(error: Error): void
}

function start(connected: (peer: string) => boolean = () => false) {
  const asked: Asked[] = []
  const found: [Metainfo, Peer][] = []
  const liars: Peer[] = []
  let idle = 0
  const asker = new MetainfoAsker(
    {
      reach: {
        prepare: async peer => peer as unknown as PeerId,
        isConnected: peer => connected(peer as string)
      },
      metainfo: {
        fetch: (peer, _infohash, options = {}) =>
          new Promise((answer, fail) => asked.push({ peer: String(peer), options, answer, fail }))
      },
      onLiar: peer => liars.push(peer)
    },
    {
      infohash: INFOHASH,
      signal: new AbortController().signal,
      onFound: (metainfo, holder) => found.push([metainfo, holder]),
      onRefused: error => assert.fail(String(error)),
      onIdle: () => idle++,
      random: below => seededRng(1).below(below)
    }
  )
  const offer = (...peers: string[]): void => {
    for (const peer of peers) asker.offer(peer as Peer)
  }
  return { asker, offer, asked, found, liars, idle: () => idle }
}

const { parallel, silentMs } = metainfoAskerConfig

test('mute holders give their places to the next, and are still listened to', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { offer, asked, found, asker } = start()
  offer(...Array.from({ length: 10 }, (_, i) => `mute${i}`))
  await turn()
  assert.equal(asked.length, parallel)
  for (const { options } of asked) options.onAsked?.()
  asked[0]?.options.onBytes?.()
  t.mock.timers.tick(silentMs - 1)
  asked[0]?.options.onBytes?.()
  t.mock.timers.tick(1)
  await turn()
  assert.equal(asked.length, parallel + parallel - 1, 'who sends something keeps its place')
  assert.equal(asker.asked, parallel, 'who was not reached does not count')
  offer('honest')
  while (!asked.some(({ peer }) => peer === 'honest')) {
    t.mock.timers.tick(silentMs)
    await turn()
  }
  asked[1]?.answer(INFO)
  await turn()
  assert.deepEqual(found, [[parseInfo(INFO, sha256), asked[1]?.peer]])
})

test('who sends little by little gives its place up too, and so many are listened to', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { placeMs, background } = metainfoAskerConfig
  const { offer, asked } = start()
  offer(...Array.from({ length: 40 }, (_, i) => `slow${i}`))
  await turn()
  for (let now = 0; now < placeMs; now += silentMs / 2) {
    for (const { options } of asked.slice(0, parallel)) options.onBytes?.()
    assert.equal(asked.length, parallel)
    t.mock.timers.tick(silentMs / 2)
    await turn()
  }
  assert.equal(asked.length, 2 * parallel)
  while (asked.length < background + 2 * parallel) {
    t.mock.timers.tick(silentMs)
    await turn()
  }
  const open = asked.filter(({ options }) => options.signal?.aborted === false)
  assert.equal(open.length, background + parallel)
  assert.ok(!open.includes(asked[0]!))
})

test('connected peers come first, whoever was named before them', async () => {
  const { offer, asked } = start(peer => peer.startsWith('near'))
  offer('far1', 'far2', 'far3', 'near1', 'far4', 'near2', 'far5', 'far6')
  await turn()
  assert.deepEqual(
    asked
      .slice(0, 2)
      .map(({ peer }) => peer)
      .sort(),
    ['near1', 'near2']
  )
  assert.equal(asked.length, parallel)
})

test('who cannot be reached may be named again; a liar and who has nothing may not', async () => {
  const { offer, asked, liars, idle } = start()
  offer('gone', 'liar', 'empty')
  await turn()
  const of = (name: string): Asked[] => asked.filter(({ peer }) => peer === name)
  of('gone')[0]?.fail(new Error('no address'))
  of('liar')[0]?.options.onAsked?.()
  of('liar')[0]?.fail(new MetainfoError('the metainfo that the peer sent is not what was asked for'))
  assert.equal(idle(), 0)
  of('empty')[0]?.options.onAsked?.()
  of('empty')[0]?.answer(undefined)
  await turn()
  assert.deepEqual(liars, ['liar'])
  assert.equal(idle(), 1, 'nobody is left to ask')
  offer('gone', 'liar', 'empty')
  await turn()
  assert.deepEqual([of('gone').length, of('liar').length, of('empty').length], [2, 1, 1])
})

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p, Stream } from '@libp2p/interface'
import type { Infohash } from '../../../protocols/core/ids.ts'
import { idFromBytes } from '../../../protocols/core/ids.ts'
import {
  METAINFO_PROTOCOL,
  type MetainfoService,
  metainfoHandlerLimits,
  metainfoService
} from '../../../protocols/metainfo/handler.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { sha256 } from './naive-tree.ts'

const hosts: Libp2p[] = []
after(() => Promise.all(hosts.map(host => host.stop())))

async function start(known: Uint8Array[]): Promise<Libp2p<{ metainfo: MetainfoService }>> {
  const byHash = new Map(known.map(info => [idFromBytes<Infohash>(sha256(info)), info]))
  const host = await startTestHost({ metainfo: metainfoService({ lookup: infohash => byHash.get(infohash), sha256 }) })
  hosts.push(host)
  return host
}

test('an info dictionary is fetched by its hash; what is not known is not there', async () => {
  const info = new Uint8Array(3_000_000).fill(9)
  const [a, b] = [await start([info]), await start([])]
  await b.dial(a.getMultiaddrs())
  assert.deepEqual(await b.services.metainfo.fetch(a.peerId, idFromBytes(sha256(info))), info)
  assert.equal(await b.services.metainfo.fetch(a.peerId, idFromBytes(new Uint8Array(32))), undefined)
})

test('a peer that answers with something else, or without end, is refused', async () => {
  const liar = await startTestHost({})
  hosts.push(liar)
  let endless = false
  await liar.handle(METAINFO_PROTOCOL, async stream => {
    const frame = new Uint8Array(4 + 256 * 1024)
    new DataView(frame.buffer).setUint32(0, 256 * 1024)
    for (let i = 0; i < (endless ? 100 : 1); i++) {
      if (stream.status !== 'open') return
      stream.send(frame)
      await new Promise(resolve => setImmediate(resolve))
    }
    await stream.close()
  })
  const b = await start([])
  await b.dial(liar.getMultiaddrs())
  const wanted = idFromBytes<Infohash>(sha256(Uint8Array.of(1)))
  await assert.rejects(b.services.metainfo.fetch(liar.peerId, wanted), { code: 'BAD_METAINFO' })
  endless = true
  await assert.rejects(b.services.metainfo.fetch(liar.peerId, wanted), /more than/)
})

test('a question that is no infohash gets no answer', async () => {
  const a = await start([])
  const b = await start([])
  const stream = await b.dialProtocol(a.getMultiaddrs(), METAINFO_PROTOCOL)
  const closed = new Promise(resolve => stream.addEventListener('remoteCloseWrite', resolve))
  stream.send(Uint8Array.of(0, 0, 0, 1, 7))
  await closed
  await stream.close()
})

test('whoever asks and does not read holds no copy of the dictionary, and no more than its share of the answers', async () => {
  const info = new Uint8Array(3_000_000).fill(7)
  const infohash = idFromBytes<Infohash>(sha256(info))
  let copies = 0
  const lookup = (asked: Infohash): Uint8Array | undefined => {
    copies++
    return asked === infohash ? info.slice() : undefined
  }
  const server = await startTestHost({ metainfo: metainfoService({ lookup, sha256 }) })
  hosts.push(server)
  const { maxServingPerPeer } = metainfoHandlerLimits
  const question = Buffer.concat([Buffer.from([0, 0, 0, 32]), sha256(info)])
  const answered = new Set<Stream>()
  for (let i = 1; i <= 5; i++) {
    const host = await start([])
    // a connection more does not give a peer more answers
    const connections = [
      await host.dial(server.getMultiaddrs()),
      await host.dial(server.getMultiaddrs(), { force: true })
    ]
    const streams: Stream[] = []
    for (const connection of connections) {
      for (let k = 0; k < maxServingPerPeer; k++) {
        const stream = await connection.newStream(METAINFO_PROTOCOL)
        streams.push(stream)
        stream.addEventListener('message', () => {
          answered.add(stream)
          stream.pause()
        })
        if (stream.status === 'open') stream.send(question)
      }
    }
    await eventually('its share is answered, the rest is refused', () => {
      const refused = streams.filter(({ status }) => status !== 'open').length
      return answered.size === i * maxServingPerPeer && refused === maxServingPerPeer
    })
  }
  assert.equal(copies, 1)
  const reader = await start([])
  await reader.dial(server.getMultiaddrs())
  assert.deepEqual(await reader.services.metainfo.fetch(server.peerId, infohash), info, 'others are served')
  assert.equal(copies, 1)
  for (const stream of answered) stream.abort(new Error('over'))
  await eventually('it is let go of', async () => {
    await reader.services.metainfo.fetch(server.peerId, infohash)
    return copies > 1
  })
})

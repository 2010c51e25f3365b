import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Libp2p } from '@libp2p/interface'
import type { Infohash } from '../../../protocols/core/ids.ts'
import { idFromBytes } from '../../../protocols/core/ids.ts'
import { METAINFO_PROTOCOL, type MetainfoService, metainfoService } from '../../../protocols/metainfo/handler.ts'
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

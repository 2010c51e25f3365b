/**
 * One side of `bench/transfer`: a node in a process of its own, driven over IPC. Besides fetching files it can send
 * bytes over a bare libp2p stream to the other side, with the same host settings: the limit that the exchange is held
 * against.
 */
import { multiaddr } from '@multiformats/multiaddr'
import { BULK_SEND_BYTES } from '../protocols/libp2p/send-queue.ts'
import { createNode, type ShoalNode } from '../src/node.ts'

const RAW_PROTOCOL = '/shoal/bench/raw/1.0.0'

export type Order =
  | { do: 'start'; home: string; share?: string; peers: string[] }
  | { do: 'raw'; to: string; bytes: number }
  | { do: 'get'; target: string; out: string }
  | { do: 'address' }
  | { do: 'cost' }
  | { do: 'stop' }

let node: ShoalNode
let cpuBefore = process.cpuUsage()

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'start': {
      node = await createNode({
        home: order.home,
        listen: ['/ip4/127.0.0.1/tcp/0'],
        interfaces: ['lo'],
        peers: order.peers,
        discovery: false
      })
      await node.host!.handle(RAW_PROTOCOL, stream => {
        let left = -1
        stream.addEventListener('message', ({ data }) => {
          if (left < 0) {
            const head = data.subarray(0, 8)
            left = Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0)) + 8
          }
          left -= data.byteLength
          if (left === 0) stream.send(new Uint8Array([1]))
        })
      })
      let magnet: string | undefined
      if (order.share !== undefined) {
        for await (const event of node.share([order.share])) if (event.type === 'shared') magnet = event.share.magnet
      }
      return { address: (await node.status()).addresses[0], magnet }
    }

    case 'raw': {
      const stream = await node.host!.dialProtocol(multiaddr(order.to), RAW_PROTOCOL)
      const answered = new Promise<void>((resolve, reject) => {
        stream.addEventListener('message', () => resolve())
        stream.addEventListener('close', ({ error }) => reject(error ?? new Error('closed')))
      })
      answered.catch(() => {})
      const head = new Uint8Array(8)
      new DataView(head.buffer).setBigUint64(0, BigInt(order.bytes))
      const started = performance.now()
      stream.send(head)
      let left = order.bytes
      while (left > 0) {
        const send = new Uint8Array(Math.min(left, BULK_SEND_BYTES))
        left -= send.byteLength
        if (!stream.send(send)) {
          await new Promise(resolve => stream.addEventListener('drain', resolve, { once: true }))
        }
      }
      await answered
      const seconds = (performance.now() - started) / 1000
      await stream.close()
      return { seconds }
    }

    case 'get': {
      const started = performance.now()
      let fetched = 0
      for await (const event of node.get(order.target, { out: order.out })) {
        if (event.type !== 'done') continue
        fetched = event.bytesFetched
        // so that it can be fetched once more
        await node.unshare([event.transfer.path])
      }
      return { seconds: (performance.now() - started) / 1000, fetched }
    }

    case 'address':
      return { address: (await node.status()).addresses[0] }

    case 'cost': {
      const { user, system } = process.cpuUsage(cpuBefore)
      cpuBefore = process.cpuUsage()
      return { cpuSeconds: (user + system) / 1e6, maxResidentBytes: process.resourceUsage().maxRSS * 1024 }
    }

    case 'stop':
      await node.close()
      process.disconnect()
      return undefined
  }
}

process.on('message', (order: Order & { number: number }) => {
  obey(order).then(
    value => process.connected && process.send?.({ number: order.number, value }),
    (error: unknown) => process.send?.({ number: order.number, error: String((error as Error).stack ?? error) })
  )
})

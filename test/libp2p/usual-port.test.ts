import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { portSchema, UsualPort } from '../../src/libp2p/usual-port.ts'

const BOTH = ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0']

function make(): UsualPort {
  const database = new DatabaseSync(':memory:')
  database.exec(portSchema)
  return new UsualPort(database)
}

/** The one port of all the addresses. */
function portOf(addresses: readonly string[]): number {
  const ports = new Set(addresses.map(address => Number(/\/tcp\/(\d+)$/.exec(address)?.[1])))
  assert.equal(ports.size, 1, addresses.join())
  const [port] = ports as unknown as [number]
  assert.ok(port > 0)
  return port
}

test('both families have one port from the first run on, and keep it', async () => {
  const usual = make()
  const first = await usual.apply(BOTH)
  const port = portOf(first)
  usual.remember(first)
  assert.equal(portOf(await usual.apply(BOTH)), port)
})

for (const host of ['127.0.0.1', '::1']) {
  test(`a port that somebody else has on ${host} is changed for both`, async () => {
    const usual = make()
    const server = createServer().listen({ port: 0, host })
    await once(server, 'listening')
    try {
      const { port } = server.address() as { port: number }
      usual.remember([`/ip4/127.0.0.1/tcp/${port}`])
      assert.notEqual(portOf(await usual.apply(BOTH)), port)
    } finally {
      server.close()
    }
  })
}

test('an address that this machine does not have stands in nobody’s way', async () => {
  const elsewhere = ['/ip6zone/nope0/ip6/fe80::1/tcp/0', '/ip4/203.0.113.1/tcp/0']
  portOf(await make().apply([...BOTH, ...elsewhere]))
  portOf(await make().apply([...elsewhere, ...BOTH]))
  assert.deepEqual(await make().apply([]), [])
})

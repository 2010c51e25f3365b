import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { type NetworkInterfaceInfo, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createNode } from '../src/node.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-network-'))
const os = createRequire(import.meta.url)('node:os') as { networkInterfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]> }
const { networkInterfaces } = os
after(() => {
  os.networkInterfaces = networkInterfaces
  syncBuiltinESMExports()
  rmSync(folder, { recursive: true, force: true })
})

/** The machine's one network interface, as it is from now on. */
function interfaceHas(...addresses: string[]): void {
  const lo = addresses.map(address => ({ address, family: 'IPv4', internal: true })) as NetworkInterfaceInfo[]
  os.networkInterfaces = () => (lo.length === 0 ? {} : { lo })
  syncBuiltinESMExports()
}

test('the addresses that are told are those of now: one that comes later, one that goes, an interface that is gone', async () => {
  interfaceHas('127.0.0.1')
  const node = await createNode({
    home: join(folder, 'home'),
    interfaces: ['lo'],
    discovery: false,
    listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.9/tcp/0']
  })
  const told = async (): Promise<string[]> =>
    (await node.status()).addresses.map(address => address.split('/')[2] as string)
  try {
    assert.deepEqual(await told(), ['127.0.0.1'])
    interfaceHas('127.0.0.1', '127.0.0.9')
    assert.deepEqual(await told(), ['127.0.0.1', '127.0.0.9'])
    interfaceHas('127.0.0.9')
    assert.deepEqual(await told(), ['127.0.0.9'])
    interfaceHas()
    assert.deepEqual(await told(), ['127.0.0.1'], 'those of the start while the interface is away')
  } finally {
    await node.close()
  }
})

import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { MemoryDatastore } from 'datastore-core'
import type { ServiceFactoryMap } from 'libp2p'
import { createHost, type HostInit, type HostServices, startHost } from '../../src/libp2p/host.ts'

/** Started hosts on the loopback interface, with the given services. */
export async function startTestHost<Services extends Record<string, unknown>>(
  services: ServiceFactoryMap<Services>,
  groupKey?: Uint8Array,
  init: Partial<HostInit<Services>> = {}
): Promise<Libp2p<Services & HostServices>> {
  const { listen = ['/ip4/127.0.0.1/tcp/0'] } = init
  const host = await createHost<Services>({
    privateKey: await generateKeyPair('Ed25519'),
    datastore: new MemoryDatastore(),
    listen,
    announce: addresses => addresses,
    groupKey,
    isBanned: () => false,
    onPenalty: () => {},
    services,
    ...init
  })
  await startHost(host, listen)
  return host
}

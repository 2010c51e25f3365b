import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { networkOf } from '../../src/libp2p/host-key.ts'

test('the network of an address is that which one owner may have many of, where addresses are public', () => {
  const cases: [string, string | undefined][] = [
    ['/ip4/203.0.113.7/tcp/4001', '203.0.0.0/16'],
    ['/ip4/203.0.7.9/tcp/1', '203.0.0.0/16'],
    ['/ip6/::ffff:203.0.7.9/tcp/1', '203.0.0.0/16'],
    ['/ip6/2001:db8:1::5/tcp/1', '2001:db8::/32'],
    ['/ip4/127.0.0.1/tcp/1', undefined],
    ['/ip4/10.1.2.3/tcp/1', undefined],
    ['/ip4/172.31.2.3/tcp/1', undefined],
    ['/ip4/172.32.2.3/tcp/1', '172.32.0.0/16'],
    ['/ip4/192.168.1.2/tcp/1', undefined],
    ['/ip4/169.254.1.2/tcp/1', undefined],
    ['/ip6/::1/tcp/1', undefined],
    ['/ip6/fe80::1/tcp/1', undefined],
    ['/ip6/fd00::1/tcp/1', undefined],
    ['/dns4/example.org/tcp/1', undefined]
  ]
  for (const [address, network] of cases) assert.equal(networkOf(multiaddr(address)), network, address)
})

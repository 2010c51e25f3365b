import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Peer } from '../../../protocols/core/peer.ts'
import { peerCrypto } from '../../../protocols/libp2p/peer-crypto.ts'
import { peerFromId } from '../../../protocols/libp2p/peer-ids.ts'

test('signatures are those of libp2p, and hold for the peer that made them alone', async () => {
  const [key, otherKey] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
  const crypto = peerCrypto(key)
  const [peer, other] = [key, otherKey].map(it => peerFromId(peerIdFromPrivateKey(it))) as [Peer, Peer]
  const bytes = new TextEncoder().encode('what is signed')
  const signature = crypto.sign(bytes)
  assert.ok(await key.publicKey.verify(bytes, signature))
  assert.ok(crypto.verify(peer, bytes, await key.sign(bytes)))
  assert.ok(crypto.verify(peer, bytes, signature))
  assert.ok(!crypto.verify(other, bytes, signature))
  assert.ok(!crypto.verify(peer, bytes.subarray(1), signature))
  assert.ok(!crypto.verify(peer, bytes, signature.subarray(1)))
  assert.ok(!crypto.verify(peer, bytes, new Uint8Array(0)))
  const rsa = await generateKeyPair('RSA', 2_048)
  const rsaPeer = peerFromId(peerIdFromPrivateKey(rsa))
  assert.ok(!crypto.verify(rsaPeer, bytes, await rsa.sign(bytes)), 'its id does not tell its key')
  assert.ok(!crypto.verify('no peer' as Peer, bytes, signature))
  assert.throws(() => peerCrypto(rsa), RangeError)
})

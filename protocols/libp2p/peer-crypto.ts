import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from 'node:crypto'
import type { PrivateKey } from '@libp2p/interface'
import { BoundedMap } from '../core/bounded-map.ts'
import type { Peer } from '../core/peer.ts'
import type { Crypto } from '../core/signing.ts'
import { idFromPeer } from './peer-ids.ts'

/** Peers whose keys are kept ready, so that they are not unpacked for each signature. */
const MAX_KEYS = 2_048
/** What comes before the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410, section 10). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Signs with the node's own key; checks others by the key that their peer id is made of, so that nobody has to be asked.
 *
 * @throws RangeError when the key is of another type
 */
export function peerCrypto(privateKey: PrivateKey): Crypto {
  if (privateKey.type !== 'Ed25519') throw new RangeError(`a key of type ${privateKey.type} signs nothing`)
  const own = createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, privateKey.raw.subarray(0, 32)]),
    format: 'der',
    type: 'pkcs8'
  })
  const known = new BoundedMap<Peer, KeyObject | undefined>(MAX_KEYS)
  const keyOf = (peer: Peer): KeyObject | undefined => {
    const key = known.has(peer) ? known.get(peer) : publicKeyOf(peer)
    // whoever signs much stays
    known.set(peer, key)
    return key
  }
  return {
    sha256: bytes => createHash('sha256').update(bytes).digest(),
    sign: bytes => signBytes(null, bytes, own),
    verify(peer, bytes, signature) {
      const key = keyOf(peer)
      return key !== undefined && verifyBytes(null, bytes, key, signature)
    }
  }
}

/** Undefined for peers whose id is only a hash of their key (RSA), and for bytes that are no point on the curve. */
function publicKeyOf(peer: Peer): KeyObject | undefined {
  try {
    const { publicKey } = idFromPeer(peer)
    if (publicKey?.type !== 'Ed25519') return undefined
    return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey.raw]), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

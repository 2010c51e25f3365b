import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { Uint8ArrayList } from 'uint8arraylist'

const CIPHER = 'chacha20-poly1305'
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }
/** Below this noise's own WebAssembly is faster than a call into OpenSSL. */
const SMALL_BYTES = 1_200

const keyObjects = new WeakMap<Uint8Array, KeyObject>()

/**
 * Noise's cryptography with one KeyObject for each session key. The default makes one for every record of 64 KiB, which
 * costs more than a tenth of a transfer. The bytes on the wire are the same.
 */
export const sessionCrypto: ICryptoInterface = {
  ...defaultCrypto,

  chaCha20Poly1305Encrypt(plaintext, nonce, associated, key) {
    if (plaintext.byteLength < SMALL_BYTES) {
      return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, associated, key)
    }
    const cipher = createCipheriv(CIPHER, keyObjectOf(key), nonce, OPTIONS)
    if (associated.byteLength > 0) cipher.setAAD(associated, { plaintextLength: plaintext.byteLength })
    const record = new Uint8ArrayList()
    for (const part of plaintext instanceof Uint8Array ? [plaintext] : plaintext) record.append(cipher.update(part))
    cipher.final()
    record.append(cipher.getAuthTag())
    return asNoiseList(record)
  },

  chaCha20Poly1305Decrypt(record, nonce, associated, key, into) {
    if (record.byteLength < SMALL_BYTES) {
      return defaultCrypto.chaCha20Poly1305Decrypt(record, nonce, associated, key, into)
    }
    const length = record.byteLength - TAG_BYTES
    const decipher = createDecipheriv(CIPHER, keyObjectOf(key), nonce, OPTIONS)
    if (associated.byteLength > 0) decipher.setAAD(associated, { plaintextLength: length })
    decipher.setAuthTag(record.subarray(length))
    const plaintext = new Uint8ArrayList()
    for (const part of record instanceof Uint8Array ? [record.subarray(0, length)] : record.sublist(0, length)) {
      plaintext.append(decipher.update(part))
    }
    decipher.final()
    return asNoiseList(plaintext)
  }
}

/** Noise was built against an older version of the same class: it works by the same methods, only the types differ. */
function asNoiseList(list: Uint8ArrayList): Uint8Array {
  return list as unknown as Uint8Array
}

function keyObjectOf(key: Uint8Array): KeyObject {
  let object = keyObjects.get(key)
  if (object === undefined) {
    object = createSecretKey(key)
    keyObjects.set(key, object)
  }
  return object
}

import { toString as bytesToString } from 'uint8arrays/to-string'
import { ByteWriter } from '../core/byte-writer.ts'
import { type RingId, ringIdFromBytes, ringIdToBytes } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Crypto } from '../core/signing.ts'
import { directoryLimits } from './config.ts'

/**
 * - `value`: the payload hashes to the key. Whoever publishes it says that it is still wanted.
 * - `member`: what one publisher states about a key; everyone may.
 * - `own`: what only this publisher can say: the key is made of its id and a name, and the payload begins with the name.
 */
export type EntryKind = 'value' | 'member' | 'own'

export const KINDS: readonly EntryKind[] = ['value', 'member', 'own']

/** What one publisher says under one key. A newer one takes its place. */
export interface Entry {
  readonly key: RingId
  readonly kind: EntryKind
  readonly publisher: Peer
  /** The publisher's clock in unix ms when it was made: the newest counts. */
  readonly seq: number
  /** Unix s. */
  readonly expires: number
  /** It takes back what was said before (a tombstone): no payload, but for the name of an `own`. */
  readonly isRemoved: boolean
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** An entry that was checked, with what is worked out once. */
export interface StoredEntry {
  readonly entry: Entry
  readonly publisherId: RingId
  /** SHA-256 of what is signed, in hex: equal when the entries say the same. */
  readonly hash: string
}

const utf8 = new TextEncoder()
const ENTRY_DOMAIN = utf8.encode('shoal-directory-entry-1\n')
const OWN_DOMAIN = utf8.encode('shoal-directory-own-1\n')

/** The bytes that the publisher signs. They name the publisher by its id on the ring, which is a hash of its peer id. */
export function signedBytes(network: string, publisherId: RingId, entry: Omit<Entry, 'signature'>): Uint8Array {
  return new ByteWriter(256 + entry.payload.byteLength)
    .bytes(ENTRY_DOMAIN)
    .text(network)
    .bytes(ringIdToBytes(entry.key))
    .u8(KINDS.indexOf(entry.kind))
    .u8(Number(entry.isRemoved))
    .bytes(ringIdToBytes(publisherId))
    .u53(entry.seq)
    .u32(entry.expires)
    .shortBytes(entry.payload)
    .finish()
}

/** Where a publisher's own entry of this name lies. @throws RangeError when it is no name */
export function ownKey(signing: Pick<Crypto, 'sha256'>, publisherId: RingId, name: string): RingId {
  return keyOfName(signing, publisherId, nameBytes(name))
}

/** The payload of an own entry: its name (u8 length, UTF-8), then what it says. @throws RangeError when it is no name */
export function ownPayload(name: string, content: Uint8Array): Uint8Array {
  const bytes = nameBytes(name)
  return new ByteWriter(bytes.byteLength + content.byteLength + 1)
    .u8(bytes.byteLength)
    .bytes(bytes)
    .bytes(content)
    .finish()
}

/** What an own entry says, without its name. */
export function ownContent(payload: Uint8Array): Uint8Array {
  return payload.subarray(1 + (payload[0] ?? 0))
}

export function keyOfValue(signing: Pick<Crypto, 'sha256'>, payload: Uint8Array): RingId {
  return ringIdFromBytes(signing.sha256(payload))
}

export function maxPayloadBytes(kind: EntryKind): number {
  const { valueBytes, memberBytes, ownBytes } = directoryLimits
  return kind === 'value' ? valueBytes : kind === 'member' ? memberBytes : ownBytes
}

/** Why an entry cannot be right, whatever the time is. Who passes such a one on has not looked at it. */
export type Misdeed = 'tooLarge' | 'tooLong' | 'wrongKey' | 'forged'
/** Why it does not count now; clocks may be to blame. */
export type Untimely = 'expired' | 'future'

/** All but the signature, which costs more than the rest together. */
export function misdeedOf(
  entry: Entry,
  publisherId: RingId,
  signing: Pick<Crypto, 'sha256'>
): Exclude<Misdeed, 'forged'> | undefined {
  const { kind, payload, key, isRemoved } = entry
  if (payload.byteLength > maxPayloadBytes(kind)) return 'tooLarge'
  if (entry.expires * 1_000 - entry.seq > directoryLimits.lifetimeMs) return 'tooLong'
  if (kind === 'own') {
    const nameLength = payload[0] ?? 0
    const end = 1 + nameLength
    if (nameLength === 0 || payload.byteLength < end) return 'wrongKey'
    if (keyOfName(signing, publisherId, payload.subarray(1, end)) !== key) return 'wrongKey'
    return isRemoved && payload.byteLength > end ? 'tooLarge' : undefined
  }
  if (isRemoved) return payload.byteLength > 0 ? 'tooLarge' : undefined
  return kind === 'value' && keyOfValue(signing, payload) !== key ? 'wrongKey' : undefined
}

/** @param wallMs unix ms by this node's clock */
export function untimelinessOf(entry: Pick<Entry, 'expires' | 'seq'>, wallMs: number): Untimely | undefined {
  if (entry.expires * 1_000 + directoryLimits.skewMs < wallMs) return 'expired'
  return entry.seq > wallMs + directoryLimits.skewMs ? 'future' : undefined
}

/** Whether `a` takes the place of `b`, both of one key and publisher. Of two made in one ms all nodes keep the same. */
export function isNewer(a: { seq: number; hash: string }, b: { seq: number; hash: string }): boolean {
  return a.seq !== b.seq ? a.seq > b.seq : a.hash < b.hash
}

/** What an entry counts for in quotas: its payload, and what is kept beside it. */
export function storedBytes(entry: Entry): number {
  return entry.payload.byteLength + STORED_OVERHEAD
}

const STORED_OVERHEAD = 256

export function idHex(bytes: Uint8Array): string {
  return bytesToString(bytes, 'base16')
}

function keyOfName(signing: Pick<Crypto, 'sha256'>, publisherId: RingId, name: Uint8Array): RingId {
  const bytes = new ByteWriter(320).bytes(OWN_DOMAIN).bytes(ringIdToBytes(publisherId)).bytes(name).finish()
  return ringIdFromBytes(signing.sha256(bytes))
}

function nameBytes(name: string): Uint8Array {
  const bytes = utf8.encode(name)
  if (bytes.byteLength === 0 || bytes.byteLength > directoryLimits.maxNameBytes) {
    throw new RangeError(`a name has 1 to ${directoryLimits.maxNameBytes} bytes, not ${bytes.byteLength}`)
  }
  return bytes
}

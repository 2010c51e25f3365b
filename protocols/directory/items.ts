import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { DecodeError } from '../core/codec.ts'
import { directoryLimits } from './config.ts'
import { idHex } from './entry.ts'

/** A `member` payload that is a set: a u16 count, then each item behind its u16 length, ascending. */
export function itemsPayload(items: Iterable<Uint8Array>): Uint8Array {
  const sorted = [...byText(items)].sort(([a], [b]) => (a < b ? -1 : 1))
  return new ByteWriter().list(sorted, (writer, [, item]) => writer.shortBytes(item)).finish()
}

/** @throws DecodeError when the payload is no set */
export function itemsOf(payload: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(payload)
  const items = reader.list(directoryLimits.memberBytes / 2, from => from.shortBytes(directoryLimits.memberBytes))
  reader.end()
  if (byText(items).size < items.length) throw new DecodeError('an item that comes twice')
  return items
}

export function withItems(payload: Uint8Array, added: readonly Uint8Array[]): Uint8Array {
  return itemsPayload([...itemsOf(payload), ...added])
}

/** Undefined when none is left. */
export function withoutItems(payload: Uint8Array, removed: readonly Uint8Array[]): Uint8Array | undefined {
  const items = byText(itemsOf(payload))
  for (const text of byText(removed).keys()) items.delete(text)
  return items.size === 0 ? undefined : itemsPayload(items.values())
}

function byText(items: Iterable<Uint8Array>): Map<string, Uint8Array> {
  return new Map([...items].map(item => [idHex(item), item]))
}

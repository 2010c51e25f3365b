import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { DecodeError } from '../../protocols/core/codec.ts'
import { isHex256 } from '../../protocols/core/ids.ts'
import { type RingId, ringIdFromBytes } from '../../protocols/core/keyspace.ts'
import { type Draft, directoryLimits, type Entry, itemsOf, ownContent } from '../../protocols/directory/index.ts'
import type {
  DirectoryAnswer,
  DirectoryDraft,
  DirectoryEntry,
  DirectoryGetOptions,
  DirectoryPut,
  Shoal
} from '../api.ts'
import { ShoalError } from '../errors.ts'
import { sha256 } from '../sha256.ts'
import type { DirectoryCalls } from './directory.ts'

type PlainCalls = Pick<Shoal, 'directoryGet' | 'directoryPut' | 'directoryAppend' | 'directoryRemove'>

/** 64 hex digits are a key; any other text stands for its SHA-256, in UTF-8. @throws ShoalError USAGE */
export function keyOf(text: string): RingId {
  if (text === '') throw new ShoalError('USAGE', 'a key without a character')
  const lower = text.toLowerCase()
  return isHex256(lower) ? (lower as RingId) : ringIdFromBytes(sha256(new TextEncoder().encode(text)))
}

/** The directory for programs and people: keys as text, bytes in base64. */
export class PlainDirectory implements PlainCalls {
  readonly #directory: DirectoryCalls

  constructor(directory: DirectoryCalls) {
    this.#directory = directory
  }

  async directoryGet(text: string, options: DirectoryGetOptions = {}): Promise<DirectoryAnswer> {
    const key = keyOf(text)
    const { entries, total, isComplete } = await this.#directory.get(key, options)
    return { key, entries: entries.map(plainEntry), total, isComplete }
  }

  async directoryPut(draft: DirectoryDraft): Promise<DirectoryPut> {
    return await this.#directory.put(draftOf(draft))
  }

  async directoryAppend(key: string, items: string[]): Promise<DirectoryPut> {
    return await this.#directory.append(keyOf(key), items.map(bytesOf))
  }

  async directoryRemove(text: string, items?: string[]): Promise<string> {
    const key = keyOf(text)
    await this.#directory.remove(key, items?.map(bytesOf))
    return key
  }
}

function draftOf(draft: DirectoryDraft): Draft {
  const payload = bytesOf(draft.payload)
  if (draft.kind === 'own') return { kind: draft.kind, name: draft.name, content: payload }
  return draft.kind === 'value' ? { kind: draft.kind, payload } : { kind: draft.kind, key: keyOf(draft.key), payload }
}

function plainEntry({ kind, publisher, seq, expires, payload }: Entry): DirectoryEntry {
  const items = kind === 'member' ? setOf(payload) : undefined
  return {
    kind,
    publisher: publisher as string,
    publishedAt: seq,
    expiresAt: expires * 1_000,
    ...(kind === 'own' ? { name: nameOf(payload) } : {}),
    payload: base64Of(kind === 'own' ? ownContent(payload) : payload),
    ...(items === undefined ? {} : { items: items.map(base64Of) })
  }
}

/** Strangers choose the bytes: what is no UTF-8 is shown as such. */
function nameOf(payload: Uint8Array): string {
  return new TextDecoder().decode(payload.subarray(1, payload.byteLength - ownContent(payload).byteLength))
}

function setOf(payload: Uint8Array): Uint8Array[] | undefined {
  try {
    return itemsOf(payload)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

function bytesOf(text: string): Uint8Array {
  // more than any entry holds
  if (text.length > 2 * directoryLimits.valueBytes) throw new ShoalError('USAGE', 'the entry is too large')
  try {
    return fromString(text, 'base64pad')
  } catch (error) {
    throw new ShoalError('USAGE', 'what is to be published is not written in base64', { cause: error })
  }
}

function base64Of(bytes: Uint8Array): string {
  return bytesToString(bytes, 'base64pad')
}

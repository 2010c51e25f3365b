import { DecodeError } from '../core/codec.ts'

/** A dictionary's keys are byte strings, held as text of one character a byte: its order is then the bytes' order. */
export type BencodeDict = Map<string, Bencode>
export type Bencode = Uint8Array | number | Bencode[] | BencodeDict

export interface BencodeLimits {
  maxBytes: number
  maxDepth: number
  /** Values and keys together. */
  maxTokens: number
}

export const bencodeLimits: BencodeLimits = {
  maxBytes: 32 * 1024 * 1024,
  maxDepth: 64 + 8, // a file tree of the deepest path, and what is around it
  maxTokens: 2_500_000 // libtorrent's limit for metadata
}

const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const COLON = 0x3a
const MINUS = 0x2d
const DICT = 0x64
const END = 0x65
const INTEGER = 0x69
const LIST = 0x6c

type Frame = { list: Bencode[] } | { dict: BencodeDict; key: string | undefined; lastKey: string | undefined }

/**
 * Strict bencode (BEP 3): no leading zeros, no `-0`, integers within ±2^53, keys sorted and unique, nothing after the
 * value. Iterative, so that depth costs no stack. Byte strings are views of the input.
 *
 * @throws DecodeError
 */
export function decodeBencode(bytes: Uint8Array, limits: BencodeLimits = bencodeLimits): Bencode {
  return decodeWithSpans(bytes, limits).value
}

/**
 * Decodes a dictionary and says where the value of one of its keys lies, so that it can be hashed as it was written.
 *
 * @throws DecodeError
 */
export function decodeWithSpan(bytes: Uint8Array, key: string): { value: BencodeDict; span: Uint8Array | undefined } {
  const { value, spans } = decodeWithSpans(bytes, bencodeLimits)
  if (!(value instanceof Map)) throw new DecodeError('not a dictionary')
  const span = spans.get(key)
  return { value, span: span === undefined ? undefined : bytes.subarray(span[0], span[1]) }
}

function decodeWithSpans(
  bytes: Uint8Array,
  limits: BencodeLimits
): { value: Bencode; spans: Map<string, [number, number]> } {
  if (bytes.byteLength > limits.maxBytes) throw new DecodeError(`${bytes.byteLength} bytes, limit ${limits.maxBytes}`)
  const spans = new Map<string, [number, number]>() // BOUNDED by the keys of the outermost dictionary
  const stack: Frame[] = [] // BOUNDED by maxDepth
  let tokens = 0
  let at = 0
  let start = 0

  for (;;) {
    if (++tokens > limits.maxTokens) throw new DecodeError('too many values')
    const top = stack.at(-1)
    const byte = bytes[at]
    if (byte === undefined) throw new DecodeError('ends inside a value')
    let value: Bencode | undefined

    if (top !== undefined && 'dict' in top && top.key === undefined && byte !== END) {
      const [text, next] = byteString(bytes, at)
      at = next
      const key = latin1(text)
      if (top.lastKey !== undefined && key <= top.lastKey) throw new DecodeError('keys are not sorted or not unique')
      top.key = key
      if (stack.length === 1) start = at
      continue
    }

    if (byte === DICT || byte === LIST) {
      if (stack.length >= limits.maxDepth) throw new DecodeError(`nested deeper than ${limits.maxDepth}`)
      stack.push(byte === LIST ? { list: [] } : { dict: new Map(), key: undefined, lastKey: undefined })
      at++
      continue
    }
    if (byte === INTEGER) {
      ;[value, at] = integer(bytes, at)
    } else if (byte === END) {
      if (top === undefined) throw new DecodeError('an end without a beginning')
      if ('dict' in top && top.key !== undefined) throw new DecodeError('a key without a value')
      stack.pop()
      at++
      value = 'dict' in top ? top.dict : top.list
    } else {
      ;[value, at] = byteString(bytes, at)
    }

    const parent = stack.at(-1)
    if (parent === undefined) {
      if (at !== bytes.byteLength) throw new DecodeError(`${bytes.byteLength - at} bytes after the value`)
      return { value, spans }
    }
    if ('dict' in parent) {
      const key = parent.key as string
      parent.dict.set(key, value)
      parent.lastKey = key
      parent.key = undefined
      if (stack.length === 1) spans.set(key, [start, at])
    } else {
      parent.list.push(value)
    }
  }
}

/** Canonical bencode. Keys are written in order whatever the Map's own. Text is for callers to turn into bytes. */
export function encodeBencode(value: Bencode): Uint8Array {
  const parts: Uint8Array[] = []
  let length = 0
  const put = (part: Uint8Array): void => {
    parts.push(part)
    length += part.byteLength
  }
  write(value, put)
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}

function write(value: Bencode, put: (part: Uint8Array) => void): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`)
    put(ascii(`i${value}e`))
  } else if (value instanceof Uint8Array) {
    put(ascii(`${value.byteLength}:`))
    put(value)
  } else if (Array.isArray(value)) {
    put(ascii('l'))
    for (const item of value) write(item, put)
    put(ascii('e'))
  } else {
    put(ascii('d'))
    const keys = [...value.keys()].sort((a, b) => (a < b ? -1 : 1))
    for (const key of keys) {
      put(ascii(`${key.length}:`))
      put(ascii(key))
      write(value.get(key) as Bencode, put)
    }
    put(ascii('e'))
  }
}

function integer(bytes: Uint8Array, at: number): [number, number] {
  let i = at + 1
  const negative = bytes[i] === MINUS
  if (negative) i++
  const first = i
  let value = 0
  for (; ; i++) {
    const byte = bytes[i]
    if (byte === END) break
    if (byte === undefined || byte < DIGIT_0 || byte > DIGIT_9) throw new DecodeError('not an integer')
    value = value * 10 + (byte - DIGIT_0)
    if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError('integer above 2^53')
  }
  const digits = i - first
  if (digits === 0) throw new DecodeError('an integer without digits')
  if (bytes[first] === DIGIT_0 && (digits > 1 || negative)) throw new DecodeError('an integer with a leading zero')
  return [negative ? -value : value, i + 1]
}

function byteString(bytes: Uint8Array, at: number): [Uint8Array, number] {
  let i = at
  let length = 0
  for (; ; i++) {
    const byte = bytes[i]
    if (byte === COLON && i > at) break
    if (byte === undefined || byte < DIGIT_0 || byte > DIGIT_9) throw new DecodeError('not a value')
    if (i > at && length === 0) throw new DecodeError('a length with a leading zero')
    length = length * 10 + (byte - DIGIT_0)
    if (length > bytes.byteLength) throw new DecodeError('a string longer than the message')
  }
  const start = i + 1
  if (length > bytes.byteLength - start) throw new DecodeError('ends inside a string')
  return [bytes.subarray(start, start + length), start + length]
}

/** One character a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.byteLength; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096))
  return text
}

/** Bytes of text whose characters are all below 256. */
export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

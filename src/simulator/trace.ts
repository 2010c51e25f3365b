/**
 * A fingerprint of everything that happened: two 32-bit lanes over each input that a machine was given (time, kind,
 * channel, peer, other peer, digest of the message). The same seed gives the same fingerprint on every machine and with
 * every version of Node; when it does not, some code knows more than its inputs.
 */
export class Trace {
  #a = 0x243f6a88
  #b = 0x13198a2e | 0

  add(time: number, kind: number, peer: number, other: number, digest: number): void {
    const first = Math.imul(time, 0x9e3779b1) ^ Math.imul(peer + 0x165667b1, 0x85ebca6b) ^ digest
    const second = Math.imul(other + 0x27d4eb2f, 0xc2b2ae35) ^ Math.imul(kind + 0x51ed270b, 0x165667b1) ^ digest
    const a = Math.imul(this.#a ^ first, 0x2c1b3c6d) + second
    const b = Math.imul(this.#b ^ second, 0x297a2d39) + first
    this.#a = ((a << 13) | (a >>> 19)) ^ b
    this.#b = ((b << 17) | (b >>> 15)) + a
    this.#b |= 0
  }

  /** 16 hex digits. */
  hash(): string {
    return [mix32(this.#a ^ this.#b), mix32(this.#b + 0x9e3779b9)].map(lane => hex32(lane)).join('')
  }
}

/** A bijection of 32-bit integers that spreads every bit (Wellons, lowbias32). */
export function mix32(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return x ^ (x >>> 15)
}

/** A number for a message without encoding it. Does not depend on the order of an object's keys. */
export function digestOf(value: unknown): number {
  return digest(value, MAX_DEPTH)
}

function digestBytes(bytes: Uint8Array): number {
  let h = bytes.byteLength
  for (let i = 0; i < bytes.byteLength; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193)
  return mix32(h)
}

function digestWords(words: Uint32Array): number {
  let h = words.length
  for (let i = 0; i < words.length; i++) h = Math.imul(h ^ (words[i] as number), 0x01000193)
  return mix32(h)
}

/** What lies deeper in a message does not count; no message of a protocol is that deep. */
const MAX_DEPTH = 8
/** Characters of a text that count at its start and at its end: ids count whole. */
const TEXT_ENDS = 32

const float = new Float64Array(1)
const floatBits = new Int32Array(float.buffer)

function digest(value: unknown, depth: number): number {
  switch (typeof value) {
    case 'number':
      return digestNumber(value)
    case 'string':
      return digestText(value)
    case 'boolean':
      return value ? 0x7ed55d16 : 0x4711
    case 'object':
      return value === null ? 0x6e756c6c : depth === 0 ? 0 : digestObject(value, depth - 1)
    case 'bigint':
      return digestText(value.toString())
    default:
      return 0x756e6466
  }
}

function digestNumber(value: number): number {
  if ((value | 0) === value) return Math.imul(value ^ 0x5bd1e995, 0x9e3779b1)
  float[0] = value
  return mix32((floatBits[0] as number) ^ Math.imul(floatBits[1] as number, 0x85ebca6b))
}

function digestText(text: string): number {
  const { length } = text
  let h = length
  if (length <= 2 * TEXT_ENDS) {
    for (let i = 0; i < length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  } else {
    for (let i = 0; i < TEXT_ENDS; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
    for (let i = length - TEXT_ENDS; i < length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  }
  return h ^ (h >>> 15)
}

function digestObject(value: object, depth: number): number {
  if (Array.isArray(value)) {
    let h = value.length
    for (let i = 0; i < value.length; i++) h = Math.imul(h, 0x01000193) ^ digest(value[i], depth)
    return mix32(h)
  }
  if (value instanceof Uint8Array) return digestBytes(value)
  if (value instanceof Uint32Array) return digestWords(value)
  let h = 0
  if (value instanceof Map) {
    for (const [key, item] of value) h += mix32(digest(key, depth) ^ Math.imul(digest(item, depth), 0x85ebca6b))
  } else if (value instanceof Set) {
    for (const item of value) h += mix32(digest(item, depth))
  } else {
    const record = value as Record<string, unknown>
    for (const key in record) {
      const item = record[key]
      // a field that is undefined is one that is not there: so it is after decoding
      if (item !== undefined) h += mix32(digestKey(key) ^ Math.imul(digest(item, depth), 0x85ebca6b))
    }
  }
  return mix32(h)
}

/** Keys are the few names of a protocol's fields: their ends and length tell them apart. */
function digestKey(key: string): number {
  const { length } = key
  return Math.imul(
    (key.charCodeAt(0) << 16) ^ (key.charCodeAt(length - 1) << 8) ^ key.charCodeAt(length >>> 1) ^ (length << 24),
    0x27d4eb2f
  )
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}

import { hash } from 'node:crypto'

/** SHA-256 in one call, for the parts of protocols/ that are handed their hash function. */
export function sha256(data: Uint8Array): Uint8Array {
  return hash('sha256', data, 'buffer')
}

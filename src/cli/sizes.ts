import { parseBytes } from '../../protocols/search/index.ts'
import { ShoalError } from '../errors.ts'

/** Bytes, of what an option was given. @throws ShoalError USAGE */
export function bytesOf(option: string, size: string): number {
  const bytes = parseBytes(size)
  if (bytes === undefined) throw new ShoalError('USAGE', `${option}: ${size} is no size; write 500M, 10G or 4GiB`)
  return bytes
}

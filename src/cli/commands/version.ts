import { PROTOCOL } from '../../daemon/protocol.ts'
import { VERSION } from '../../version.ts'
import type { Output } from '../output.ts'

export function version(out: Output): void {
  out.say(`shoal ${VERSION}`)
  out.record('version', { version: VERSION, protocol: PROTOCOL, node: process.version })
}

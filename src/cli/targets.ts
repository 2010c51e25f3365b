import { existsSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { absoluteTarget } from '../daemon/caller-paths.ts'
import { ShoalError } from '../errors.ts'

/**
 * Says at once, and before any peer is started, what can only be a mistake.
 *
 * @throws ShoalError USAGE
 */
export function checkTarget(target: string): void {
  const absolute = absoluteTarget(target)
  if (isAbsolute(absolute) ? existsSync(absolute) : target !== '') return
  const what = `"${target}" is no result number, id or magnet link, and there is no such .torrent file`
  throw new ShoalError('USAGE', `${what}; find files with \`shoal search WORDS\``)
}

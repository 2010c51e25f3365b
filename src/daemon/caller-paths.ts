import { existsSync, realpathSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { isHex256 } from '../../protocols/core/ids.ts'

/**
 * What a caller means by a relative path is known only in the caller's working directory. These make it absolute there;
 * giving them their own answers changes nothing.
 */
export function absoluteTarget(target: string): string {
  const isPath = !/^\d{1,6}$/.test(target) && !isHex256(target.toLowerCase()) && !/^[a-z]+:/i.test(target)
  return isPath && target !== '' ? resolve(target) : target
}

/** A share by its path, through links as they were followed when it was shared; or by its name, when that is no path. */
export function absoluteShare(path: string): string {
  const absolute = resolve(path)
  if (existsSync(absolute)) return realpathSync(absolute)
  return path.includes(sep) ? absolute : path
}

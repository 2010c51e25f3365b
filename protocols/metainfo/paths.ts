/** Why a name is refused; `path` is for people and must be escaped before it is shown. */
export class PathError extends Error {
  static override readonly name = 'PathError'
  override readonly name = 'PathError'
  readonly code = 'BAD_PATH'
}

export const pathLimits = {
  /** Parts of a path; what file systems take with room. */
  maxParts: 64,
  /** Bytes of UTF-8 of a part: the limit of ext4, APFS and NTFS alike. */
  maxPartBytes: 255,
  /** Bytes of UTF-8 of the whole path below its folder. */
  maxPathBytes: 2_048
}

const utf8 = new TextEncoder()
const RESERVED_ON_WINDOWS = /^(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)/i
const FORBIDDEN_CHARACTERS = /[/\\:]/

/**
 * Checks one part of a path against the rules of all platforms, so that a name means the same everywhere and never
 * leaves its folder. Nothing is cleaned: a bad name is refused. @throws PathError
 */
export function checkName(name: string): void {
  const refuse = (why: string): never => {
    throw new PathError(`the name "${name.slice(0, 80)}" ${why}`)
  }
  if (name === '') refuse('is empty')
  if (!name.isWellFormed()) refuse('is not valid text')
  const normal = name.normalize('NFC')
  if (normal === '.' || normal === '..') refuse('leaves its folder')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(normal)) refuse('has a control character')
  if (FORBIDDEN_CHARACTERS.test(normal)) refuse('has a character that some system takes for a separator or a drive')
  if (/[. ]$/.test(normal)) refuse('ends with a dot or a space')
  if (RESERVED_ON_WINDOWS.test(normal)) refuse('is the name of a device')
  if (utf8.encode(name).byteLength > pathLimits.maxPartBytes) refuse('is too long')
}

/** Checks the path of a file in a collection. @throws PathError */
export function checkPath(parts: readonly string[]): void {
  if (parts.length === 0) throw new PathError('a path without a name')
  if (parts.length > pathLimits.maxParts) throw new PathError(`a path of ${parts.length} parts`)
  for (const part of parts) checkName(part)
  if (utf8.encode(parts.join('/')).byteLength > pathLimits.maxPathBytes) throw new PathError('a path that is too long')
}

/** Paths that are the same on some file system have equal keys: normal form and case do not count. */
export function collisionKey(parts: readonly string[]): string {
  return parts.map(part => part.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC')).join('/')
}

/**
 * Checks that no two files of a collection are the same file on some system, and that no file is another's folder.
 *
 * @throws PathError
 */
export function checkCollisions(paths: Iterable<readonly string[]>): void {
  const files = new Set<string>() // BOUNDED by the caller's list
  const folders = new Map<string, string>() // BOUNDED by the caller's list times the depth of paths
  for (const parts of paths) {
    const key = collisionKey(parts)
    if (files.has(key) || folders.has(key)) throw new PathError(`"${parts.join('/').slice(0, 80)}" is there twice`)
    files.add(key)
    for (let end = parts.length - 1; end > 0; end--) {
      const folder = collisionKey(parts.slice(0, end))
      const written = parts.slice(0, end).join('/')
      const before = folders.get(folder)
      if (files.has(folder)) throw new PathError(`"${written.slice(0, 80)}" is a file and a folder`)
      if (before !== undefined && before !== written) {
        throw new PathError(`"${written.slice(0, 80)}" is written in two ways`)
      }
      folders.set(folder, written)
    }
  }
}

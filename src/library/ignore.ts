import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ignore, { type Ignore } from 'ignore'

export const IGNORE_FILE = '.shoalignore'
/** Ending of files that are still being fetched. */
export const PARTIAL_ENDING = '.shoal-part'
const MAX_IGNORE_BYTES = 1024 * 1024

export type SkipReason = 'hidden' | 'secret' | 'ignored' | 'temporary' | 'link' | 'special' | 'name' | 'unreadable'

const TEMPORARY =
  /(\.shoal-part|\.part|\.crdownload|\.tmp|~|\.swp|\.swx)$|^(\.DS_Store|Thumbs\.db|desktop\.ini|\.#.*)$/i

/** Folders that hold keys and passwords, and files that are such, by name. They are hidden files for the most part. */
const SECRET_FOLDER = /^(\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.docker|\.password-store|\.gcloud|\.mozilla)$/i
const SECRET_FILE = new RegExp(
  [
    '^\\.env($|\\.)',
    '^\\.(netrc|npmrc|pypirc|pgpass|git-credentials|htpasswd|boto|my\\.cnf|s3cfg|vault-token)$',
    '^id_(rsa|dsa|ecdsa|ed25519)(_sk)?$',
    '\\.(pem|key|p12|pfx|kdbx?|ppk|keystore|jks|ovpn|asc|gpg)$',
    '^(wallet\\.dat|credentials(\\.json)?|secrets?\\.(ya?ml|json|toml)|shadow|\\.bash_history|\\.zsh_history)$'
  ].join('|'),
  'i'
)

/** Why a name is left out whatever `.shoalignore` says; undefined when it is not. */
export function skipByName(name: string, folder: boolean, shareHidden: boolean): SkipReason | undefined {
  if (!folder && TEMPORARY.test(name)) return 'temporary'
  if (shareHidden) return undefined
  if (folder ? SECRET_FOLDER.test(name) : SECRET_FILE.test(name)) return 'secret'
  return name.startsWith('.') ? 'hidden' : undefined
}

/** Whether a scan would leave out a file at this path for a name in it, whatever `.shoalignore` says. */
export function isLeftOutByName(path: string, shareHidden: boolean): boolean {
  const parts = path.split('/')
  const last = parts.length - 1
  return parts.some((name, i) => skipByName(name, i < last, shareHidden) !== undefined) || parts[last] === IGNORE_FILE
}

/** Private keys under any name: their first line says so. */
export function looksSecret(head: Uint8Array): boolean {
  return /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/.test(new TextDecoder('latin1').decode(head.subarray(0, 4_096)))
}

/**
 * The rules of a folder: its own `.shoalignore`, and those above it. Paths are relative to the folder that the rules
 * stand in, as gitignore has it.
 */
export class IgnoreRules {
  readonly #levels: readonly { depth: number; rules: Ignore }[]

  constructor(levels: readonly { depth: number; rules: Ignore }[] = []) {
    this.#levels = levels
  }

  /** Rules inside a folder at `parts` below the share. */
  async enter(folder: string, parts: readonly string[]): Promise<IgnoreRules> {
    let text: string
    try {
      text = (await readFile(join(folder, IGNORE_FILE))).subarray(0, MAX_IGNORE_BYTES).toString()
    } catch {
      return this
    }
    return new IgnoreRules([...this.#levels, { depth: parts.length, rules: ignore().add(text) }])
  }

  /** Whether a file or folder at `parts` below the share is left out. The innermost rule that says anything counts. */
  ignores(parts: readonly string[], folder: boolean): boolean {
    for (const { depth, rules } of this.#levels.toReversed()) {
      const path = parts.slice(depth).join('/') + (folder ? '/' : '')
      const verdict = rules.test(path)
      if (verdict.ignored) return true
      if (verdict.unignored) return false
    }
    return false
  }
}

/**
 * Every error that a user can meet: a stable code, the exit code of the command that ends with it, and what to do next.
 * The table is the documentation; nothing else gives out codes.
 */
export const ERRORS = {
  USAGE: { exit: 2, next: 'See `shoal --help`.' },
  BAD_CONFIG: { exit: 2, next: 'Correct the value and start again.' },
  NOT_FOUND: { exit: 3, next: 'Search again, or check the id.' },
  TIMEOUT: { exit: 4, next: 'Try again; `shoal peers` shows who is reachable.' },
  NO_PEERS: { exit: 5, next: 'Start `shoal up` on another machine of this network, or name one with --peer ADDRESS.' },
  NETWORK: { exit: 6, next: 'Check that the address or port is right and not in use.' },
  UNREACHABLE: { exit: 6, next: 'Try again in a moment; `shoal ring` shows where this peer stands.' },
  INTERRUPTED: { exit: 7, next: 'Run the same command again: it goes on where it stopped.' },
  VERIFICATION_FAILED: { exit: 8, next: 'Fetch from other holders; what was wrong has been thrown away.' },
  DISK_FULL: { exit: 9, next: 'Free some space and run the same command again: nothing verified is lost.' },
  PERMISSION: { exit: 10, next: 'Check the rights of the folder, or choose another with --out.' },
  IO_FAILED: { exit: 10, next: 'Check the disk; nothing verified is lost.' },
  VERSION_MISMATCH: { exit: 11, next: 'Use the newer version of shoal that wrote this home directory.' },
  ALREADY_RUNNING: { exit: 12, next: 'Use the running peer, stop it, or give another --home.' },
  EXISTS: { exit: 13, next: 'Move it away, or choose another place with --out.' },
  BAD_METAINFO: { exit: 14, next: 'It is damaged or hostile: get it from another source.' },
  BAD_KEY: { exit: 14, next: 'Restore the key file from a copy, or remove it to become a new peer.' },
  NO_ROOM: {
    exit: 14,
    next: 'Have other peers offer room with `shoal up --offer 50G`: the order stands, and copies are made when there is.'
  },
  REFUSED: { exit: 14, next: 'The other side or a limit refused; `shoal status` tells more.' },
  INTERNAL: { exit: 1, next: 'This is a fault of shoal: please report it.' }
} as const satisfies Record<string, { exit: number; next: string }>

export type ErrorCode = keyof typeof ERRORS

export class ShoalError extends Error {
  static override readonly name = 'ShoalError'
  override readonly name = 'ShoalError'
  readonly code: ErrorCode
  /** What the user does next. */
  readonly next: string

  /** @param options.next where the advice of the table does not fit */
  constructor(code: ErrorCode, message: string, options: ErrorOptions & { next?: string } = {}) {
    super(message, options)
    this.code = code
    this.next = options.next ?? ERRORS[code].next
  }

  get exitCode(): number {
    return ERRORS[this.code].exit
  }
}

const SQLITE_FULL = 13

/** Any thrown value as a ShoalError; an unexpected one becomes INTERNAL with its cause kept. */
export function asShoalError(thrown: unknown): ShoalError {
  if (thrown instanceof ShoalError) return thrown
  if (thrown instanceof Error && (thrown as { errcode?: unknown }).errcode === SQLITE_FULL) {
    return new ShoalError('DISK_FULL', 'the disk of the home directory is full', { cause: thrown })
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new ShoalError('INTERNAL', message, { cause: thrown })
}

import type { DirectoryEvent, FailureCode } from '../../protocols/directory/index.ts'
import { type ErrorCode, ShoalError } from '../errors.ts'

type Failed = Extract<DirectoryEvent, { type: 'failed' }>

const CLOCK = 'Check the date and the time of this machine.'
const ROOM = 'It is tried again by itself; entries that nobody renews make room within a day.'
const FEWER = 'Take something back, or wait until what is under way is done.'

/** What each failure is for whoever asked, in the words of the command line. */
const FAILURES: Record<FailureCode, { code: ErrorCode; message: string; next?: string }> = {
  unreachable: { code: 'UNREACHABLE', message: 'none of the peers that keep this key could be reached' },
  unsettled: { code: 'UNREACHABLE', message: 'the ring of peers is changing, and nobody says that this key is theirs' },
  expired: {
    code: 'REFUSED',
    message: 'the entry has expired by the clock of the peer that is to keep it',
    next: CLOCK
  },
  future: { code: 'REFUSED', message: 'the entry is from the future for the peer that is to keep it', next: CLOCK },
  old: { code: 'REFUSED', message: 'the peer that is to keep it has a newer entry of this peer', next: CLOCK },
  tooLarge: { code: 'USAGE', message: 'the entry is too large', next: 'Split it, or share it as a file.' },
  full: { code: 'REFUSED', message: 'the peer that is to keep it has no room left', next: ROOM },
  keyFull: { code: 'REFUSED', message: 'as many peers as there may be have said something under this key', next: ROOM },
  quota: { code: 'REFUSED', message: 'the peer that is to keep it has as much of this peer as it takes', next: FEWER },
  tooOften: {
    code: 'REFUSED',
    message: 'the peer that is to keep it was asked too often',
    next: 'It is tried again by itself.'
  },
  busy: { code: 'REFUSED', message: 'too much is under way', next: 'Try again when some of it is done.' },
  tooMany: { code: 'REFUSED', message: 'this peer has published as many entries as it may', next: FEWER },
  unknown: {
    code: 'NOT_FOUND',
    message: 'this peer has published nothing under this key',
    next: 'Check the key; what others have published only they can take back.'
  },
  notASet: {
    code: 'USAGE',
    message: 'what this peer has published under this key is not a set of items',
    next: 'Take it back as a whole first.'
  },
  tooLong: { code: 'INTERNAL', message: 'the entry was made to count for too long' },
  wrongKey: { code: 'INTERNAL', message: 'the entry does not belong to its key' },
  forged: { code: 'INTERNAL', message: 'the signature of the entry is wrong' }
}

export function failureOf({ code: failure, willRetry }: Pick<Failed, 'code' | 'willRetry'>): ShoalError {
  const { code, message, next } = FAILURES[failure]
  const kept = willRetry ? '; it is kept, and tried again' : ''
  return new ShoalError(code, message + kept, next === undefined ? {} : { next })
}

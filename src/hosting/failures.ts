import type { FailureCode, Problem } from '../../protocols/broker/index.ts'
import { ERRORS, type ErrorCode, ShoalError } from '../errors.ts'
import type { Placement } from './api.ts'

/** What each failure is for whoever wants copies. */
const FAILURES: Readonly<Record<FailureCode, { code: ErrorCode; message: string; next?: string }>> = {
  noBrokers: { code: 'NO_PEERS', message: 'no peer could be asked to find hosts' },
  noHosts: { code: 'NO_ROOM', message: 'no other peer offers room for copies' },
  noRoom: { code: 'NO_ROOM', message: 'the peers that offer room have not enough of it' },
  unfetchable: {
    code: 'UNREACHABLE',
    message: 'hosts cannot fetch it: neither this peer nor a copy can be reached',
    next: 'Keep a peer running that shares it; `shoal status` shows whether others can reach this one.'
  },
  refused: { code: 'REFUSED', message: 'the brokers refuse the order' },
  tooMany: {
    code: 'REFUSED',
    message: 'this peer has ordered copies of as many things as it may',
    next: 'Let some go with `shoal drop`.'
  },
  invalid: { code: 'USAGE', message: 'there can be no such order', next: 'Ask for 1 to 16 copies of something.' },
  unknown: { code: 'NOT_FOUND', message: 'nothing was ordered under this infohash', next: 'See `shoal copies`.' }
}

export function failureOf(failure: { code: FailureCode; reason: string }): ShoalError {
  const { code, message, next } = FAILURES[failure.code]
  const detail = failure.reason === '' ? '' : `: ${failure.reason}`
  return new ShoalError(code, message + detail, next === undefined ? {} : { next })
}

/** The same as something to show beside what there is. */
export function problemOf(code: Problem | FailureCode, missingBytes?: number): NonNullable<Placement['problem']> {
  const { code: known, message, next } = FAILURES[code]
  const missing = missingBytes === undefined ? '' : ` (${missingBytes} bytes more are needed)`
  return { code: known, message: message + missing, next: next ?? ERRORS[known].next }
}

import { ERRORS, type ErrorCode, ShoalError } from '../errors.ts'

/**
 * What a command and a running peer speak over the socket: JSON over HTTP, one route for each method of `Shoal`. Raised
 * whenever a client or a server of the older kind would misread the other.
 */
export const PROTOCOL = 2

export const NDJSON = 'application/x-ndjson'

/** Largest body of a request. 10,000 paths of a collection fit. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024

/** The answer to `GET /v1/hello`, the one route that no version may change. */
export interface Hello {
  protocol: number
  version: string
  pid: number
}

/** The body of a refused request, and the last line of a stream that failed. */
export interface ErrorMessage {
  type: 'error'
  code: ErrorCode
  message: string
  next: string
}

/** A line of a stream on which nothing else happened, so that an end that is gone is noticed. */
export const HEARTBEAT = { type: 'heartbeat' } as const

export function errorMessage(error: ShoalError): ErrorMessage {
  return { type: 'error', code: error.code, message: error.message, next: error.next }
}

/** The error that a message speaks of; undefined when it is no error message. */
export function errorOf(message: unknown): ShoalError | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { type, code, message: text, next } = message as Record<string, unknown>
  if (type !== 'error') return undefined
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code)
  const advice = typeof next === 'string' ? { next } : {}
  return new ShoalError(known ? (code as ErrorCode) : 'INTERNAL', String(text), advice)
}

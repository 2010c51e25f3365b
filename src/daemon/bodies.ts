import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { ShoalError } from '../errors.ts'
import { SORTS } from '../search/grouping.ts'

/** Longest path that Linux takes, in characters; other systems take less. */
const MAX_PATH_LENGTH = 4_096
/** A magnet link with many trackers. */
const MAX_TARGET_LENGTH = 64 * 1024
const MAX_QUERY_LENGTH = 1_000
const MAX_PATHS = 1_000
const MAX_FILES = 10_000
const LONGEST_SEARCH_MS = 60 * 60 * 1000
const MAX_RESULTS = 1_000_000
const STRATEGIES = ['auto', 'flood', 'ring', 'walk'] as const
const MAX_BUDGET = 1_000_000
/** More hops than any message has in its header byte. */
const MAX_TTL = 255

const text = z.string().min(1).max(MAX_PATH_LENGTH)
// relative to what? the caller's working directory is not the node's
const path = text.refine(isAbsolute, 'must be an absolute path')
/** Of the global directory: as many hex digits as it has, or a text. */
const key = z.string().min(1).max(1_000)
/** In base64, longer than any entry. */
const payload = z.string().max(32 * 1024)
const MAX_ITEMS = 1_000
const MAX_COPIES = 16

const target = z.string().min(1).max(MAX_TARGET_LENGTH)

export const bodies = {
  ls: z.strictObject({ target }),
  forget: z.strictObject({ transfer: text, delete: z.boolean().optional() }),
  share: z.strictObject({ paths: z.array(path).min(1).max(MAX_PATHS), hidden: z.boolean().optional() }),
  put: z.strictObject({
    path,
    copies: z.number().int().min(1).max(MAX_COPIES).optional(),
    hidden: z.boolean().optional()
  }),
  copies: z.strictObject({ recover: z.boolean().optional() }),
  drop: z.strictObject({ named: text }),
  /** A share may be named by its name alone. */
  unshare: z.strictObject({ paths: z.array(text).min(1).max(MAX_PATHS) }),
  torrent: z.strictObject({ share: text }),
  search: z.strictObject({
    query: z.string().max(MAX_QUERY_LENGTH),
    timeoutMs: z.number().positive().max(LONGEST_SEARCH_MS).optional(),
    limit: z.int().min(1).max(MAX_RESULTS).optional(),
    strategy: z.enum(STRATEGIES).optional(),
    budget: z.int().min(0).max(MAX_BUDGET).optional(),
    ttl: z.int().min(0).max(MAX_TTL).optional(),
    prove: z.boolean().optional(),
    sort: z.enum(SORTS).optional(),
    gatherMs: z.number().nonnegative().max(LONGEST_SEARCH_MS).optional()
  }),
  watch: z.strictObject({
    query: z.string().max(MAX_QUERY_LENGTH),
    everyMs: z.number().positive().optional(),
    get: z.boolean().optional(),
    out: path.optional(),
    cwd: path.optional(),
    maxBytes: z.int().nonnegative().optional()
  }),
  unwatch: z.strictObject({ number: z.int() }),
  directoryGet: z.strictObject({ key, careful: z.boolean().optional() }),
  directoryPut: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('value'), payload }),
    z.strictObject({ kind: z.literal('member'), key, payload }),
    z.strictObject({ kind: z.literal('own'), name: text, payload })
  ]),
  directoryAppend: z.strictObject({ key, items: z.array(payload).min(1).max(MAX_ITEMS) }),
  directoryRemove: z.strictObject({ key, items: z.array(payload).min(1).max(MAX_ITEMS).optional() }),
  get: z.strictObject({
    target,
    out: path.optional(),
    cwd: path.optional(),
    files: z.array(text).max(MAX_FILES).optional()
  })
}

/** @throws ShoalError USAGE that names each wrong field */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const problems = result.error.issues.map(issue => `${issue.path.join('.') || 'request'}: ${issue.message}`)
  throw new ShoalError('USAGE', problems.slice(0, 5).join('; '))
}

import { lstat, realpath, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileId } from '../../protocols/core/ids.ts'
import { parseInfo } from '../../protocols/metainfo/index.ts'
import type { ForgetOptions, Forgotten, TransferStatus } from '../api.ts'
import { ShoalError } from '../errors.ts'
import { asContentError } from '../library/content/files.ts'
import { partialPath } from '../library/content/place.ts'
import type { BegunTransfer, TransferState } from '../library/content/transfer-state.ts'
import { sha256 } from '../sha256.ts'
import { planOfCollection, planOfFile } from './plan.ts'
import { asTransferError, statusOfBegun } from './transfer-status.ts'

/** Shortest beginning of an id that names a transfer. */
const SHORTEST_PREFIX = 8

/** Transfers that were begun and are not finished, whether they run or not. They can be looked at without a network. */
export class BegunTransfers {
  readonly #state: TransferState

  constructor(state: TransferState) {
    this.#state = state
  }

  list(): TransferStatus[] {
    return this.#state.all().map(statusOfBegun)
  }

  /** By its id, the beginning of it, or its name. @throws ShoalError NOT_FOUND, USAGE when several are called so */
  named(named: string): BegunTransfer {
    const all = this.#state.all()
    const text = named.toLowerCase()
    const isPrefix = text.length >= SHORTEST_PREFIX && /^[0-9a-f]+$/.test(text)
    const byId = isPrefix ? all.filter(({ id }) => id.startsWith(text)) : []
    const [only, other] = byId.length > 0 ? byId : all.filter(({ name }) => name === named)
    if (only === undefined) {
      const next = '`shoal status` lists the transfers, and how each is called.'
      throw new ShoalError('NOT_FOUND', `there is no transfer ${named}`, { next })
    }
    if (other !== undefined) {
      const next = 'Name it by its id; `shoal status` shows it.'
      throw new ShoalError('USAGE', `several transfers are called ${named}`, { next })
    }
    return only
  }

  /** The transfer must not run. Files that are whole stay in any case. @throws ShoalError PERMISSION, IO_FAILED */
  async forget(begun: BegunTransfer, options: ForgetOptions): Promise<Forgotten> {
    const { id, name } = begun
    const partial = await partialFilesOf(begun)
    if (options.delete === true) {
      for (const path of partial) {
        try {
          await unlink(path)
        } catch (error) {
          throw asTransferError(asContentError(error, path))
        }
      }
    }
    this.#state.remove(id)
    return options.delete === true ? { id, name, deleted: partial, kept: [] } : { id, name, deleted: [], kept: partial }
  }
}

/** Those that are there, as a run of the transfer has made them. */
async function partialFilesOf({ id, name, folder, size, info, sources }: BegunTransfer): Promise<string[]> {
  const found: string[] = []
  let root: string
  let plan: ReturnType<typeof planOfFile>
  try {
    root = await realpath(folder)
    plan =
      info === undefined
        ? planOfFile({ id: id as FileId, name, size, leads: sources })
        : planOfCollection(parseInfo(info, sha256), sources)
  } catch {
    // there is no such folder any more
    return found
  }
  const base = plan.collection === undefined ? root : join(root, plan.collection)
  for (const { path, root: fileId } of plan.layout.files) {
    if (fileId === undefined) continue
    const partial = partialPath(join(base, ...path), fileId)
    const stats = await lstat(partial).catch(() => undefined)
    if (stats?.isFile() === true) found.push(partial)
  }
  return found
}

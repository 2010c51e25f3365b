import { ShoalError } from '../errors.ts'
import type { Catalogue, ShareRow } from './catalogue.ts'
import { HashPool } from './hash-pool.ts'
import { type IndexObserver, type IndexOutcome, indexShare } from './index-share.ts'

interface Run {
  done: Promise<unknown>
  abort: AbortController
}

/** Brings shares up to date with the disk. Of each share there is one run at a time, and any of them can be stopped. */
export class Indexer {
  readonly #catalogue: Catalogue
  readonly #exclude: readonly string[]
  readonly #pool = new HashPool()
  readonly #runs = new Map<number, Run>() // BOUNDED by the shares
  #filesToHash = 0

  /** @param exclude absolute paths that are never shared */
  constructor(catalogue: Catalogue, exclude: readonly string[]) {
    this.#catalogue = catalogue
    this.#exclude = exclude
  }

  /** Files that are still to be hashed in the runs under way. */
  get filesToHash(): number {
    return this.#filesToHash
  }

  /**
   * @param settle see `indexShare`
   * @throws ShoalError INTERRUPTED when the share is gone, or was stopped; what the signal says
   */
  async run(share: ShareRow, observer: IndexObserver, settle: boolean, signal: AbortSignal): Promise<IndexOutcome> {
    // several may have waited for the same run: only one of them goes on when it ends
    for (let other = this.#runs.get(share.id); other !== undefined; other = this.#runs.get(share.id)) await other.done
    // the id may be another share's by now
    if (this.#catalogue.shareAt(share.path)?.id !== share.id) throw wasUnshared(share)
    const abort = new AbortController()
    const indexing = this.#index(share, observer, settle, AbortSignal.any([signal, abort.signal]))
    const run: Run = { abort, done: indexing.catch(() => {}).then(() => this.#runs.delete(share.id)) }
    this.#runs.set(share.id, run)
    return await indexing
  }

  /** The share is no longer one: from now on nothing is written of it. Resolves when nothing of it is read any more. */
  async stop(share: ShareRow): Promise<void> {
    const run = this.#runs.get(share.id)
    run?.abort.abort(wasUnshared(share))
    await run?.done
  }

  /** The signals of all runs have fired. */
  async close(): Promise<void> {
    await this.#pool.close()
    await Promise.all([...this.#runs.values()].map(({ done }) => done))
  }

  async #index(share: ShareRow, observer: IndexObserver, settle: boolean, signal: AbortSignal): Promise<IndexOutcome> {
    let counted = 0
    const count = (left: number): void => {
      this.#filesToHash += left - counted
      counted = left
    }
    try {
      return await indexShare(share, {
        catalogue: this.#catalogue,
        pool: this.#pool,
        exclude: this.#exclude,
        settle,
        signal,
        observer: {
          ...observer,
          progress: (done, all) => {
            count(all.files - done.files)
            observer.progress(done, all)
          }
        }
      })
    } finally {
      count(0)
    }
  }
}

function wasUnshared({ path }: ShareRow): ShoalError {
  return new ShoalError('INTERRUPTED', `${path} was unshared`, { next: 'Share it again if it is to be shared.' })
}

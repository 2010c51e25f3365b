import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { pieceLengthFor } from '../../protocols/metainfo/index.ts'
import type { HashAnswer, HashJob, HashOrder } from './hash-worker.ts'

/** More workers than this are not faster: the disk, or memory, is then the limit. */
const MAX_WORKERS = 8
/** Jobs are handed out in batches of so many bytes, so that small files do not cost a message each. */
const BATCH_BYTES = 8 * 1024 * 1024
const BATCH_FILES = 64
/** Workers end when they had nothing to do for so long. */
const IDLE_MS = 2_000

export interface FileToHash {
  path: string
  size: number
  refuseSecrets: boolean
}

export type HashResult = Exclude<HashAnswer, { type: 'progress' | 'cancelled' }>

interface Waiting {
  job: HashJob
  onProgress: (bytes: number) => void
  resolve: (result: HashResult) => void
  reject: (reason: unknown) => void
  signal: AbortSignal
}

interface HashWorker {
  worker: Worker
  under: Map<number, Waiting> // BOUNDED by a batch
}

/** Hashes files into their merkle trees on other threads. Threads are started when needed and end when idle. */
export class HashPool {
  readonly #size = Math.min(availableParallelism(), MAX_WORKERS)
  readonly #workers = new Set<HashWorker>()
  #queue: Waiting[] = [] // BOUNDED by the caller: see Library
  readonly #heeded = new WeakSet<AbortSignal>()
  #number = 0
  #idle: ReturnType<typeof setTimeout> | undefined
  #closed = false

  /**
   * @param onProgress is given the bytes of each step
   * @throws the signal's reason as soon as it fires; the file is read no further then
   */
  async hash(file: FileToHash, onProgress: (bytes: number) => void, signal: AbortSignal): Promise<HashResult> {
    signal.throwIfAborted()
    if (this.#closed) throw new Error('the hash pool is closed')
    clearTimeout(this.#idle)
    this.#heed(signal)
    return await new Promise((resolve, reject) => {
      const job = { ...file, number: this.#number++, pieceLength: pieceLengthFor(file.size) }
      this.#queue.push({ job, onProgress, resolve, reject, signal })
      if (this.#queue.length === 1) queueMicrotask(() => this.#assign())
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    for (const { job, resolve } of this.#queue.splice(0)) {
      resolve({ number: job.number, type: 'failed', code: 'IO_FAILED', message: 'the node stops' })
    }
    await Promise.all([...this.#workers].map(({ worker }) => worker.terminate()))
  }

  /** One listener for all files of a run: an event target looks through all of them for each. */
  #heed(signal: AbortSignal): void {
    if (this.#heeded.has(signal)) return
    this.#heeded.add(signal)
    signal.addEventListener('abort', () => this.#cancel(signal), { once: true })
  }

  #cancel(signal: AbortSignal): void {
    const isMeant = (waiting: Waiting): boolean => waiting.signal === signal
    for (const { reject } of this.#queue.filter(isMeant)) reject(signal.reason)
    this.#queue = this.#queue.filter(waiting => !isMeant(waiting))
    for (const { worker, under } of this.#workers) {
      const meant = [...under.values()].filter(isMeant)
      if (meant.length === 0) continue
      for (const waiting of meant) {
        waiting.reject(signal.reason)
        // the worker is free when it has answered for it
        waiting.onProgress = () => {}
      }
      worker.postMessage({ type: 'cancel', numbers: meant.map(({ job }) => job.number) } satisfies HashOrder)
    }
  }

  #assign(): void {
    for (;;) {
      if (this.#queue.length === 0 || this.#closed) return
      const free = [...this.#workers].find(({ under }) => under.size === 0)
      if (free === undefined && this.#workers.size >= this.#size) return
      this.#give(free ?? this.#start(), this.#batch())
    }
  }

  #batch(): Waiting[] {
    let bytes = 0
    let count = 0
    // the last files are spread over all workers
    const most = Math.max(1, Math.min(BATCH_FILES, Math.ceil(this.#queue.length / this.#size)))
    while (count < most && bytes < BATCH_BYTES) bytes += this.#queue[count++]?.job.size ?? BATCH_BYTES
    return this.#queue.splice(0, count)
  }

  #give(to: HashWorker, batch: Waiting[]): void {
    for (const waiting of batch) to.under.set(waiting.job.number, waiting)
    to.worker.ref()
    to.worker.postMessage({ type: 'hash', jobs: batch.map(({ job }) => job) } satisfies HashOrder)
  }

  #start(): HashWorker {
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url))
    const started: HashWorker = { worker, under: new Map() }
    worker.on('message', (answer: HashAnswer) => this.#onAnswer(started, answer))
    worker.on('error', error => this.#onDeath(started, error.message))
    worker.on('exit', () => this.#onDeath(started, 'the worker ended'))
    this.#workers.add(started)
    return started
  }

  #onAnswer(from: HashWorker, answer: HashAnswer): void {
    const waiting = from.under.get(answer.number)
    if (waiting === undefined) return
    if (answer.type === 'progress') {
      waiting.onProgress(answer.bytes)
      return
    }
    from.under.delete(answer.number)
    if (answer.type !== 'cancelled') waiting.resolve(answer)
    if (from.under.size > 0) return
    from.worker.unref()
    this.#assign()
    if (this.#queue.length === 0 && [...this.#workers].every(({ under }) => under.size === 0)) {
      clearTimeout(this.#idle)
      this.#idle = setTimeout(() => {
        for (const { worker } of this.#workers) void worker.terminate()
        this.#workers.clear()
      }, IDLE_MS)
      this.#idle.unref()
    }
  }

  #onDeath(dead: HashWorker, message: string): void {
    this.#workers.delete(dead)
    for (const { job, resolve } of dead.under.values()) {
      resolve({ number: job.number, type: 'failed', code: 'IO_FAILED', message })
    }
    dead.under.clear()
    if (!this.#closed) this.#assign()
  }
}

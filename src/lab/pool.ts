import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Row } from './experiment.ts'
import { LabError } from './find.ts'
import type { Answer, Task } from './task.ts'

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))
/**
 * A simulation makes many small objects that live for a moment: with a larger young generation most of them are gone
 * before they are ever copied. MiB.
 */
const YOUNG_GENERATION_MIB = 64

export interface PoolOptions {
  /** Processes at once; by default one for each core. */
  jobs?: number
  /** Share of all work that is done, 0..1, and runs that are over. */
  onProgress?(share: number, done: number): void
  /** Ends it: the promise is rejected with the signal's reason. */
  signal?: AbortSignal
}

/**
 * Runs all tasks, each in one of a few processes. The results are in the order of the tasks, so that they do not depend
 * on how many processes there are. @throws LabError when a run fails
 */
export async function runTasks(tasks: readonly Task[], options: PoolOptions = {}): Promise<Row[][]> {
  const { jobs = availableParallelism(), onProgress, signal } = options
  signal?.throwIfAborted()
  const results: Row[][] = new Array(tasks.length)
  const shares = new Float64Array(tasks.length)
  let next = 0
  let done = 0
  const workers: ChildProcess[] = [] // BOUNDED by jobs
  let abort = (): void => {}
  const progress = (): void => onProgress?.(shares.reduce((sum, share) => sum + share, 0) / tasks.length, done)

  try {
    await new Promise<void>((resolve, reject) => {
      abort = () => reject(signal?.reason)
      signal?.addEventListener('abort', abort)
      if (tasks.length === 0) resolve()
      for (let i = 0; i < Math.min(Math.max(1, jobs), tasks.length); i++) {
        const worker = fork(WORKER, { execArgv: [`--max-semi-space-size=${YOUNG_GENERATION_MIB}`] })
        workers.push(worker)
        let current = 0
        const give = (): void => {
          if (next < tasks.length) worker.send(tasks[(current = next++)] as Task)
        }
        worker.on('message', (answer: Answer) => {
          if ('error' in answer) reject(new LabError(answer.error))
          else if ('progress' in answer) {
            shares[current] = answer.progress
            progress()
          } else {
            results[current] = answer.rows
            shares[current] = 1
            done++
            progress()
            if (done === tasks.length) resolve()
            give()
          }
        })
        worker.on('error', error => reject(new LabError(`a worker: ${error.message}`, { cause: error })))
        worker.on('exit', (code, by) => reject(new LabError(`a worker ended by itself (${by ?? code})`)))
        give()
      }
    })
  } finally {
    signal?.removeEventListener('abort', abort)
    for (const worker of workers) {
      worker.removeAllListeners()
      worker.on('error', () => {})
      worker.kill('SIGKILL')
    }
  }
  return results
}

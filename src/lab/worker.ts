import { findExperiment } from './find.ts'
import { type Answer, runTask, type Task } from './task.ts'

/** A process that runs one task after another. It ends when the process that started it does, or lets go of it. */

const PROGRESS_EVERY_MS = 200

function answer(message: Answer): void {
  process.send?.(message)
}

process.on('message', async (task: Task) => {
  try {
    let saidMs = performance.now()
    const rows = runTask(await findExperiment(task.experiment), task, share => {
      const now = performance.now()
      if (now - saidMs < PROGRESS_EVERY_MS) return
      saidMs = now
      answer({ progress: share })
    })
    answer({ rows })
  } catch (error) {
    answer({
      error: `seed ${task.seed}, ${JSON.stringify(task.case)}: ${error instanceof Error ? error.message : error}`
    })
  }
})
process.on('disconnect', () => process.exit())
// whoever started it decides what Ctrl-C means
process.on('SIGINT', () => {})

import { Output } from './output.ts'
import type { Io } from './terminal.ts'

/** Ends the process with a message when something was thrown that nobody caught. */
export function reportFaults(io: Io): void {
  // rejections that nobody handles come here too
  process.on('uncaughtException', error => {
    new Output(io, process.argv.includes('--json')).error(error)
    process.exit(1)
  })
  // warnings of Node are for developers
  process.removeAllListeners('warning')
  if (io.env.SHOAL_DEBUG !== '1') return
  process.on('warning', warning => io.stderr.write(`${warning.stack ?? warning.message}\n`))
}

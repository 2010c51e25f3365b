import { CommanderError } from 'commander'
import { ShoalError } from '../errors.ts'
import type { CreateNode } from './context.ts'
import { reportFaults } from './faults.ts'
import { Output } from './output.ts'
import { makeProgram } from './program.ts'
import { type Io, processIo } from './terminal.ts'

/** The network is loaded only by a command that becomes a peer itself. */
const realNode: CreateNode = async config => await (await import('../node.ts')).createNode(config)

/** Runs one command. Returns its exit code. */
export async function run(args: readonly string[], io: Io, createNode: CreateNode = realNode): Promise<number> {
  let exitCode = 0
  // a guess, for when the options themselves are what is wrong
  const out = new Output(io, args.includes('--json'))
  const program = makeProgram({
    io,
    out,
    createNode,
    onExitCode: code => {
      exitCode = code
    }
  })
  try {
    if (args.length === 0) program.outputHelp()
    else await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) return out.error(error).exitCode
    if (error.exitCode === 0) return 0
    // commander prints the help when a command lacks its subcommand, and calls that an error
    const message = error.code === 'commander.help' ? 'a command is missing' : plain(error.message)
    return out.error(new ShoalError('USAGE', message)).exitCode
  }
}

/** The command of this process. Ends the process. */
export async function main(): Promise<never> {
  const io = processIo()
  reportFaults(io)
  // nothing that was left open by mistake may keep the process
  process.exit(await run(process.argv.slice(2), io))
}

function plain(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim()
}

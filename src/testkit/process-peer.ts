import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Shoal } from '../api.ts'
import { connect } from '../daemon/client.ts'
import { socketPathOf } from '../home.ts'

const ENTRY = join(import.meta.dirname, '../../bin/shoal.ts')
const LONGEST_OUTPUT = 1_000_000

export interface ProcessPeerOptions {
  home: string
  /** Folders to share. */
  folders?: string[]
  /** Further options of `shoal up`, for example `--interface lo`. */
  args?: string[]
  /** A command to run it under, for example `ip netns exec NAME`. */
  under?: string[]
  /** Flags for Node itself. */
  nodeFlags?: string[]
  startLimitMs?: number
}

/** A peer in a process of its own: `shoal up`, driven through its socket as any command would. */
export class ProcessPeer {
  readonly home: string
  readonly shoal: Shoal
  readonly #child: ChildProcess
  readonly #output: { text: string }

  private constructor(home: string, shoal: Shoal, child: ChildProcess, output: { text: string }) {
    this.home = home
    this.shoal = shoal
    this.#child = child
    this.#output = output
  }

  /** Starts it and waits until its socket answers. @throws Error with everything it printed, if it ends before */
  static async start(options: ProcessPeerOptions): Promise<ProcessPeer> {
    const command = [
      ...(options.under ?? []),
      process.execPath,
      ...(options.nodeFlags ?? []),
      ENTRY,
      'up',
      ...(options.folders ?? []),
      '--home',
      options.home,
      ...(options.args ?? [])
    ]
    const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
    const output = { text: '' }
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output.text = (output.text + text).slice(-LONGEST_OUTPUT)
      })
    }

    const deadline = Date.now() + (options.startLimitMs ?? 60_000)
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the peer ended with ${child.exitCode ?? child.signalCode}:\n${output.text}`)
      }
      const shoal = await connect(socketPathOf(options.home))
      if (shoal !== undefined) return new ProcessPeer(options.home, shoal, child, output)
      if (Date.now() > deadline) {
        child.kill('SIGKILL')
        throw new Error(`the peer does not answer:\n${output.text}`)
      }
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What it has printed, both streams. */
  get output(): string {
    return this.#output.text
  }

  /** Sends a signal and waits for the end. Returns the exit code, or the signal that ended it. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | NodeJS.Signals> {
    await this.shoal.close()
    if (this.running) {
      const ended = once(this.#child, 'exit')
      this.#child.kill(signal)
      await ended
    }
    return (this.#child.exitCode ?? this.#child.signalCode) as number | NodeJS.Signals
  }

  async stop(): Promise<number | NodeJS.Signals> {
    return await this.kill('SIGTERM')
  }
}

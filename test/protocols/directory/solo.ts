import type { Input } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  Directory,
  type DirectoryCommand,
  type DirectoryConfig,
  type DirectoryEvent,
  type DirectoryMessage,
  MemoryRecordStore
} from '../../../protocols/directory/index.ts'
import { cryptoOf, idOf, wallMs } from './world.ts'

export interface Said {
  sent: { to: Peer; message: DirectoryMessage }[]
  events: DirectoryEvent[]
  penalties: { peer: Peer; reason: string }[]
}

/** One machine, and a test that plays everybody else. */
export class Solo {
  readonly records = new MemoryRecordStore()
  readonly directory: Directory
  now = 0

  constructor(self: Peer, config: Partial<DirectoryConfig> = {}) {
    const { records } = this
    this.directory = new Directory({ self, rng: seededRng(1), idOf, records, crypto: cryptoOf(self), wallMs, config })
  }

  give(input: Input<DirectoryCommand, DirectoryMessage>): Said {
    const said: Said = { sent: [], events: [], penalties: [] }
    for (const output of this.directory.handle(input, this.now)) {
      if (output.type === 'send') said.sent.push(output)
      else if (output.type === 'event') said.events.push(output.event)
      else said.penalties.push(output)
    }
    return said
  }

  hear(from: Peer, message: DirectoryMessage): Said {
    return this.give({ type: 'received', from, message })
  }

  /** Gives all ticks until then, and collects what is said. */
  runUntil(ms: number): Said {
    const said: Said = { sent: [], events: [], penalties: [] }
    for (let at = this.directory.nextTick(); at !== undefined && at <= ms; at = this.directory.nextTick()) {
      this.now = Math.max(this.now, at)
      const { sent, events, penalties } = this.give({ type: 'tick' })
      said.sent.push(...sent)
      said.events.push(...events)
      said.penalties.push(...penalties)
    }
    this.now = ms
    return said
  }
}

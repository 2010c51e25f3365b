import { ByteReader } from '../../protocols/core/byte-reader.ts'
import { ByteWriter } from '../../protocols/core/byte-writer.ts'
import type { Codec } from '../../protocols/core/codec.ts'
import type { Input, Machine, Output } from '../../protocols/core/machine.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { Rng } from '../../protocols/core/rng.ts'
import { type Channel, type Observation, Simulation, type SimulationOptions } from '../../src/simulator/index.ts'

export interface Note {
  number: number
  text: string
}

export type Command =
  | { type: 'say'; to: Peer; note: Note }
  | { type: 'wake'; at: number }
  | { type: 'accuse'; peer: Peer }
  /** Sends, tells an event, and sends again. */
  | { type: 'tell'; to: Peer; event: string }

export const noteCodec: Codec<Note> = {
  encode: ({ number, text }) => new ByteWriter().u32(number).text(text).finish(),
  decode(bytes) {
    const reader = new ByteReader(bytes)
    const note = { number: reader.u32(), text: reader.text(100) }
    reader.end()
    return note
  }
}

/** Does what it is told, answers notes whose text is `ping`, and draws a random number for each answer. */
export class Recorder implements Machine<Command, Note, string> {
  readonly #rng: Rng
  #wakeAt: number | undefined

  constructor(rng: Rng) {
    this.#rng = rng
  }

  handle(input: Input<Command, Note>, now: number): Output<Note, string>[] {
    switch (input.type) {
      case 'say':
        return [{ type: 'send', to: input.to, message: input.note }]
      case 'accuse':
        return [{ type: 'penalise', peer: input.peer, reason: 'accused' }]
      case 'tell':
        return [
          { type: 'send', to: input.to, message: { number: 1, text: 'before' } },
          { type: 'event', event: input.event },
          { type: 'send', to: input.to, message: { number: 2, text: 'after' } }
        ]
      case 'wake':
        this.#wakeAt = input.at
        return []
      case 'tick':
        if (this.#wakeAt === undefined || now < this.#wakeAt) return []
        this.#wakeAt = undefined
        return [{ type: 'event', event: 'awake' }]
      case 'received':
        if (input.message.text !== 'ping') return []
        return [{ type: 'send', to: input.from, message: { number: this.#rng.below(1000), text: 'pong' } }]
      default:
        return []
    }
  }

  nextTick(): number | undefined {
    return this.#wakeAt
  }
}

export class NoteWorld {
  readonly simulation: Simulation
  readonly notes: Channel<Command, Note, string>
  readonly seen: Observation[] = []
  onEvent: ((peer: Peer, event: string) => void) | undefined

  constructor(options: Partial<SimulationOptions> = {}) {
    this.simulation = new Simulation({ seed: 1, observe: observation => this.seen.push(observation), ...options })
    this.notes = this.simulation.protocol<Command, Note, string>({
      name: 'notes',
      codec: noteCodec,
      machine: (_, rng) => new Recorder(rng),
      onEvent: (peer, event) => this.onEvent?.(peer, event)
    })
  }

  say(from: Peer, to: Peer, number: number, text = ''): void {
    this.notes.command(from, { type: 'say', to, note: { number, text } })
  }

  /** What a machine was given of these kinds, in short: `120 peerUp 1`. */
  inputsOf(peer: Peer, ...kinds: Observation['kind'][]): string[] {
    return this.seen
      .filter(observation => observation.peer === peer && kinds.includes(observation.kind))
      .map(({ time, kind, other }) => `${time} ${kind}${other === undefined ? '' : ` ${other}`}`)
  }

  /** Numbers of the notes that a peer received, in order. */
  numbersOf(peer: Peer): number[] {
    return this.seen.flatMap(({ peer: at, kind, what }) =>
      at === peer && kind === 'received' ? [(what as Note).number] : []
    )
  }
}

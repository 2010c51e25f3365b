import assert from 'node:assert/strict'
import type { Input, Output } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  Overlay,
  type OverlayCommand,
  type OverlayConfig,
  type OverlayEvent,
  type OverlayMessage
} from '../../../protocols/overlay/index.ts'

export type Out = Output<OverlayMessage, OverlayEvent>

export const SELF = 0 as Peer
export const peer = (index: number): Peer => index as Peer

/** One machine and its clock. */
export class Bench {
  readonly overlay: Overlay
  now = 0

  constructor(config: Partial<OverlayConfig> = {}, seed = 1, groupOf?: (peer: Peer) => string | undefined) {
    const groups = groupOf === undefined ? {} : { groupOf }
    this.overlay = new Overlay({ self: SELF, rng: seededRng(seed), config, ...groups })
  }

  give(input: Input<OverlayCommand, OverlayMessage>): Out[] {
    return this.overlay.handle(input, this.now)
  }

  from(from: Peer, message: OverlayMessage): Out[] {
    return this.give({ type: 'received', from, message })
  }

  /** Neighbours that asked while there was room. */
  withNeighbours(...indices: number[]): this {
    for (const index of indices) this.from(peer(index), { type: 'neighbour', urgent: false })
    assert.deepEqual(this.active, indices)
    return this
  }

  /** Ticks whenever one is due, for so long. */
  wait(ms: number): Out[] {
    const end = this.now + ms
    const outputs: Out[] = []
    for (let due = this.overlay.nextTick(); due !== undefined && due <= end; due = this.overlay.nextTick()) {
      this.now = Math.max(due, this.now + 1)
      outputs.push(...this.give({ type: 'tick' }))
    }
    this.now = end
    return outputs
  }

  get active(): number[] {
    return this.overlay.views().active as unknown[] as number[]
  }

  get passive(): number[] {
    return this.overlay.views().passive as unknown[] as number[]
  }
}

/** Outputs in short: `3 neighbour`, `+3`, `-3` and `?` for events, `!3` for a penalty. */
export function short(outputs: readonly Out[]): string[] {
  return outputs.map(output => {
    if (output.type === 'send') return `${output.to} ${output.message.type}`
    if (output.type === 'penalise') return `!${output.peer}`
    if (output.event.type === 'contactsWanted') return '?'
    return `${output.event.type === 'neighbourUp' ? '+' : '-'}${output.event.peer}`
  })
}

export function sent(outputs: readonly Out[], type: OverlayMessage['type']): { to: Peer; message: OverlayMessage }[] {
  return outputs.flatMap(output => (output.type === 'send' && output.message.type === type ? [output] : []))
}

export function peersOf(message: OverlayMessage | undefined): readonly Peer[] {
  assert.ok(message !== undefined && 'peers' in message)
  return message.peers
}

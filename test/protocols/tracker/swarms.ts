import type { SwarmId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import type { Announce, TrackerMessage } from '../../../protocols/tracker/index.ts'
import type { TrackerOutput } from '../../../protocols/tracker/tracker.ts'

export const peer = (n: number): Peer => n as Peer
export const swarm = (n: number): SwarmId => n.toString(16).padStart(64, '0') as SwarmId

export function announce(n: number, over: Partial<Announce> = {}): Announce {
  return {
    type: 'announce',
    swarm: swarm(n),
    event: 'started',
    left: 1,
    uploaded: 0,
    downloaded: 0,
    numWant: 50,
    ...over
  }
}

/** What was sent, as `[to, message]`. */
export function sent(outputs: readonly TrackerOutput[]): [Peer, TrackerMessage][] {
  return outputs.flatMap(output =>
    output.type === 'send' ? [[output.to, output.message] as [Peer, TrackerMessage]] : []
  )
}

/** Announces that were sent, as `to event`. */
export function announces(outputs: readonly TrackerOutput[]): string[] {
  return sent(outputs).flatMap(([to, message]) => (message.type === 'announce' ? [`${to} ${message.event}`] : []))
}

export function events(outputs: readonly TrackerOutput[]) {
  return outputs.flatMap(output => (output.type === 'event' ? [output.event] : []))
}

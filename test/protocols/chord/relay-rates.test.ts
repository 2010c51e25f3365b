import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ChordMessage, chordLimits } from '../../../protocols/chord/index.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { RingNetwork, withoutUpkeep } from '../../../src/lab/ring-network.ts'
import { Simulation } from '../../../src/simulator/index.ts'

test('a peer that has too much passed on is answered with nothing, and another is still served', () => {
  const answers = new Map<Peer, { found: number; nothing: number }>()
  const simulation = new Simulation({
    seed: 1,
    trace: false,
    observe: ({ kind, peer, what }) => {
      const message = what as ChordMessage
      const counts = answers.get(peer)
      if (kind !== 'received' || message.type !== 'relayed' || counts === undefined) return
      if (message.found === undefined) counts.nothing++
      else counts.found++
    }
  })
  const network = new RingNetwork(simulation, { config: withoutUpkeep })
  const [hop, greedy, modest] = network.addRing(50) as [Peer, Peer, Peer]
  const ask = (from: Peer, count: number): void => {
    answers.set(from, { found: 0, nothing: 0 })
    for (let id = 1; id <= count; id++) {
      const key = network.idOf(hop)
      network.channel.send(from, hop, { type: 'relay', id, key, asOwner: true, orCopy: false, hops: 0 })
    }
    simulation.run(simulation.now + 1_000)
  }
  const { rate, burst } = chordLimits.relays
  ask(greedy, 4 * burst)
  const { found = 0, nothing = 0 } = answers.get(greedy) ?? {}
  assert.equal(found + nothing, 4 * burst)
  assert.ok(found >= 2 * burst && found <= 2 * (burst + rate), `${found} passed on`)
  ask(modest, burst)
  assert.deepEqual(answers.get(modest), { found: burst, nothing: 0 })
})

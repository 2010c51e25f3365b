import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OverlayNetwork } from '../../../src/lab/overlay-network.ts'
import { RingNetwork } from '../../../src/lab/ring-network.ts'
import { Simulation } from '../../../src/simulator/index.ts'

const MINUTE = 60_000

test('a few that are cut off with none of the successors of the last of them are a ring again', () => {
  for (const seed of [1, 2, 3]) {
    const simulation = new Simulation({ seed, trace: false })
    const ring = new RingNetwork(simulation)
    const overlay = new OverlayNetwork(simulation, {
      onEvent: (peer, { type, peer: neighbour }) => ring.channel.command(peer, { type, peer: neighbour })
    })
    overlay.grow(60, undefined, 'rush')
    simulation.run(simulation.now + MINUTE)
    const sorted = ring.sorted(simulation.alive())
    const few = sorted.slice(10, 15)
    simulation.partition([few])
    assert.ok(
      simulation.runUntil(() => ring.isIdeal(few), 2 * MINUTE, 1_000),
      `the few, seed ${seed}`
    )
    const many = sorted.filter(peer => !few.includes(peer))
    assert.ok(
      simulation.runUntil(() => ring.isIdeal(many), MINUTE, 1_000),
      `the many, seed ${seed}`
    )
  }
})

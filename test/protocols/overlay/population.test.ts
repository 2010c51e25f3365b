import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { PopulationEstimate } from '../../../protocols/overlay/population.ts'

for (const [others, memory, within] of [
  [30, 512, 0.15],
  [300, 512, 0.3],
  [3_000, 512, 0.4],
  [10_000, 2_048, 0.25]
] as const) {
  test(`${others} others, ${memory} remembered: within ${within * 100} %`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rng = seededRng(seed)
      const estimate = new PopulationEstimate(memory)
      for (let i = 0; i < 2 * memory; i++) estimate.meet(rng.below(others) as Peer)
      const { about } = estimate.population
      assert.ok(about !== undefined && Math.abs(about - 1 - others) <= within * others, `seed ${seed}: ${about}`)
    }
  })
}

test('it says no more than it knows', () => {
  const estimate = new PopulationEstimate(512)
  assert.deepEqual(estimate.population, { atLeast: 1 })
  for (let i = 0; i < 5; i++) estimate.meet(i as Peer)
  assert.deepEqual(estimate.population, { atLeast: 6 })
})

test('what is forgotten does not count: it is as if only the last ones had been met', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 8, maxLength: 60 }), met => {
      const all = new PopulationEstimate(8)
      const last = new PopulationEstimate(8)
      for (const peer of met) all.meet(peer as Peer)
      for (const peer of met.slice(-8)) last.meet(peer as Peer)
      assert.deepEqual(all.population, last.population)
    })
  )
})

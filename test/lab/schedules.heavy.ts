/**
 * All schedules of rings that are larger than those of the quick test: some 15 million states. Where there are more than
 * five million, these are the nearest; how often a node stabilizes of itself is bounded where that is said.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explore, Model, type ModelConfig, scheduleText, shrink, walk } from '../../src/lab/schedules/index.ts'

const MOST = 5_000_000

const spaces: [string, ModelConfig, number][] = [
  [
    'three to two and back to three, without a limit of rounds',
    { nodes: 4, length: 2, members: [0, 1, 2], failures: 1, leaving: true, leastPrincipals: 1, keptPrincipals: 2 },
    1_000_000
  ],
  ['one alone, three join', { nodes: 4, length: 2, members: [0], failures: 0, rounds: 1 }, MOST],
  ['four, one joins, two crash', { nodes: 5, length: 2, members: [0, 1, 2, 3], failures: 2, rounds: 1 }, 1_000_000],
  [
    'four with lists of three, one joins, two crash or leave',
    { nodes: 5, length: 3, members: [0, 1, 2, 3], failures: 2, leaving: true, rounds: 1 },
    300_000
  ],
  [
    'three, two join far apart, two crash',
    { nodes: 5, length: 2, members: [0, 1, 3], failures: 2, rounds: 1 },
    5_000_000
  ],
  [
    'five, two crash or leave',
    { nodes: 5, length: 2, members: [0, 1, 2, 3, 4], failures: 2, leaving: true, rounds: 1 },
    1_000_000
  ]
]

for (const [name, config, states] of spaces) {
  test(name, () => {
    const found = explore(new Model(config), { maxStates: MOST })
    assert.equal(found.fault && scheduleText(found.fault.steps), undefined)
    assert.ok((found.isComplete || states === MOST) && found.states >= states, `${found.states} states`)
  })
}

test('rings of up to twelve nodes, at random', () => {
  const configs: ModelConfig[] = [
    { nodes: 12, length: 3, members: [0, 2, 3, 5, 7, 8, 10], failures: 6, leaving: true },
    { nodes: 8, length: 2, members: [0, 2, 4, 6], failures: 5, leaving: true },
    { nodes: 7, length: 2, members: [0], failures: 3, keptPrincipals: 1, leaving: true }
  ]
  for (const config of configs) {
    for (let from = 1; from <= 1_000; from += 200) {
      // what was told apart in one schedule is of little use for the next
      const model = new Model(config)
      for (let seed = from; seed < from + 200; seed++) {
        const found = walk(model, seed, 250)
        assert.equal(found && `seed ${seed}: ${scheduleText(shrink(model, found).steps)}`, undefined)
      }
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL } from '../../../protocols/search/branch.ts'
import { searchConfig } from '../../../protocols/search/config.ts'
import { Plan, type PlanInit, type Progress, type Strategy } from '../../../protocols/search/plan.ts'

const { budget, cheapFlood, hopMs, maxTtl, maxWalk, summaryHops, want, walkers } = searchConfig
const begin: Progress = { found: 0, peers: 0, spent: 0, more: false, lastSpent: 0, lastPeers: 0, isComplete: true }
const init: PlanInit = {
  strategy: 'auto',
  budget,
  want,
  walkers,
  ttl: maxTtl,
  hasKeys: true,
  isLarge: false,
  sight: { near: 1, all: 1 }
}

/** What a wave is, in short: how, hops, width, budget, holders wanted. */
type Short = readonly [how: string, ttl: number, width: number, budget: number, want: number] | 'over'
interface Case {
  what: string
  init?: Partial<PlanInit>
  /** What each wave came to, and the one after it. The first stands for the beginning. */
  waves: (readonly [progress: Partial<Progress>, next: Short])[]
}

const flood = (ttl: number, messages: number, enough = want): Short => ['flood', ttl, ALL, messages, enough]
const near = (messages: number): Short => ['summaries', summaryHops, 0, messages, want]
const walk = (messages: number, enough = want, width = walkers): Short => ['walk', maxWalk, width, messages, enough]
const least = walkers * 4

const cases: Record<Strategy, Case[]> = {
  flood: [
    {
      what: 'one wave, whatever it finds',
      waves: [
        [{}, flood(7, 2_000)],
        [{ more: true, spent: 900 }, 'over']
      ]
    },
    { what: 'as far and as large as it was told', init: { ttl: 3, budget: 50 }, waves: [[{}, flood(3, 50)]] },
    { what: 'none without a budget', init: { budget: 0 }, waves: [[{}, 'over']] }
  ],
  ring: [
    {
      what: 'grows until its last hop',
      waves: [
        [{}, flood(1, 2_000)],
        [{ more: true, spent: 5 }, flood(3, 1_995)],
        [{ more: true, spent: 100 }, flood(5, 1_900)],
        [{ more: true, spent: 1_000 }, flood(7, 1_000)],
        [{ more: true, spent: 1_500 }, 'over']
      ]
    },
    {
      what: 'its last step is shorter when it has to be',
      init: { ttl: 2 },
      waves: [
        [{}, flood(1, 2_000)],
        [{ more: true, spent: 5 }, flood(2, 1_995)],
        [{ more: true, spent: 20 }, 'over']
      ]
    },
    {
      what: 'stops with enough',
      waves: [
        [{}, flood(1, 2_000)],
        [{ more: true, spent: 5, found: want }, 'over']
      ]
    },
    {
      what: 'stops when nobody is left',
      waves: [
        [{}, flood(1, 2_000)],
        [{ more: false, spent: 5 }, 'over']
      ]
    },
    {
      what: 'stops without a budget',
      waves: [
        [{}, flood(1, 2_000)],
        [{ more: true, spent: 2_000 }, 'over']
      ]
    }
  ],
  walk: [
    {
      what: 'one walker has it all at once',
      init: { walkers: 1 },
      waves: [
        [{}, walk(2_000, want, 1)],
        [{ more: true, spent: 2_000, lastSpent: 2_000 }, 'over']
      ]
    },
    {
      what: 'several look back, and go twice as far while nothing is found',
      waves: [
        [{}, walk(least)],
        [{ more: true, spent: 32, lastSpent: 32, peers: 32 }, walk(64)],
        [{ more: true, spent: 96, lastSpent: 64, peers: 90 }, walk(128)],
        [{ more: true, spent: 1_900, lastSpent: 128, peers: 1_800 }, walk(100)]
      ]
    },
    {
      what: 'as far as should do by what was found',
      waves: [
        [{}, walk(least)],
        // 16 of 32 peers had it: 16 more need 32 peers, and a quarter on top
        [{ more: true, spent: 32, lastSpent: 32, peers: 32, found: 16 }, walk(40, 16)],
        // one is still wanted: no less than each walker's first steps
        [{ more: true, spent: 72, lastSpent: 40, peers: 70, found: 31 }, walk(least, 1)],
        [{ more: true, spent: 104, lastSpent: 32, peers: 100, found: 32 }, 'over']
      ]
    },
    {
      what: 'stops when it cannot do anything',
      waves: [
        [{}, walk(least)],
        [{ more: true, spent: 0, lastSpent: 0 }, 'over']
      ]
    }
  ],
  auto: [
    {
      what: 'a small network: one flood',
      waves: [
        [{}, flood(7, cheapFlood)],
        [{ more: false, spent: 200, lastSpent: 200, peers: 90 }, 'over']
      ]
    },
    {
      what: 'a larger one, something common: the flood is enough',
      waves: [
        [{}, flood(7, cheapFlood)],
        [{ more: true, spent: 256, lastSpent: 256, peers: 90, found: 40 }, 'over']
      ]
    },
    {
      what: 'something rare: walks after it',
      waves: [
        [{}, flood(7, cheapFlood)],
        [{ more: true, spent: 256, lastSpent: 256, peers: 100, found: 2 }, walk(1_744, 30)],
        [{ more: true, spent: 2_000, lastSpent: 1_744, peers: 1_500, found: 30 }, 'over']
      ]
    },
    {
      what: 'something not seen at all: walks that grow',
      waves: [
        [{}, flood(7, cheapFlood)],
        [{ more: true, spent: 256, lastSpent: 256, peers: 100 }, walk(512)],
        [{ more: true, spent: 768, lastSpent: 512, peers: 500 }, walk(1_024)],
        [{ more: true, spent: 1_792, lastSpent: 1_024, peers: 900 }, walk(208)]
      ]
    },
    {
      what: 'a network known to be large: where summaries show it, then walks',
      init: { isLarge: true },
      waves: [
        [{}, near(cheapFlood)],
        [{ more: true, spent: 12, lastSpent: 12, peers: 12, found: 8 }, walk(45, 24)],
        [{ more: true, spent: 57, lastSpent: 45, peers: 50, found: 32 }, 'over']
      ]
    },
    {
      what: 'nothing near: it walks all the same',
      init: { isLarge: true },
      waves: [
        [{}, near(cheapFlood)],
        [{ more: true, spent: 0, lastSpent: 0 }, walk(least)]
      ]
    },
    {
      what: 'large, and the query has no keys: walkers measure it',
      init: { isLarge: true, hasKeys: false },
      waves: [
        [{}, walk(least)],
        [{ more: true, spent: 32, lastSpent: 32, peers: 32, found: 16 }, walk(40, 16)]
      ]
    },
    {
      what: 'large, and this node knows of enough holders itself: nobody is asked',
      init: { isLarge: true },
      waves: [[{ more: true, found: want }, 'over']]
    },
    {
      what: 'large, and this node knows of some itself: the others are wanted',
      init: { isLarge: true },
      waves: [[{ more: true, found: 30 }, ['summaries', summaryHops, 0, cheapFlood, 2]]]
    },
    {
      what: 'not known to be large: a flood, whatever this node knows itself',
      waves: [[{ more: true, found: want }, flood(7, cheapFlood)]]
    },
    {
      what: 'the summaries here tell of all five times over, and show nothing: it is over',
      init: { isLarge: true, population: 200, sight: { near: 21, all: 1_000 } },
      waves: [
        [{ more: true }, near(cheapFlood)],
        [{ more: true }, 'over']
      ]
    },
    {
      what: 'they tell of fewer: walkers see the rest by the summaries where they come, and go no further than it takes',
      init: { isLarge: true, population: 200, sight: { near: 21, all: 300 } },
      waves: [
        [{ more: true }, near(cheapFlood)],
        [{ more: true }, walk(least)],
        // 20 of 28 had something left to look further with, and so 272 of 1,000 are not seen
        [{ more: true, spent: 32, lastSpent: 32, lastPeers: 28, peers: 28, found: 1 }, walk(least, 31)],
        [{ more: true, spent: 64, lastSpent: 32, lastPeers: 25, peers: 53, found: 1 }, 'over']
      ]
    },
    {
      what: 'what they show hides what is behind it: then only the nearest count as seen',
      init: { isLarge: true, population: 200, sight: { near: 21, all: 1_000 } },
      waves: [
        [{ more: true }, near(cheapFlood)],
        [{ more: true, spent: 12, lastSpent: 12, lastPeers: 12, peers: 12, found: 3 }, walk(76, 29)]
      ]
    },
    {
      what: 'who was silent may have hidden it, and is not counted',
      init: { isLarge: true, population: 200, sight: { near: 21, all: 1_000 } },
      waves: [
        [{ more: true }, near(cheapFlood)],
        [{ more: true, isComplete: false }, walk(least)]
      ]
    },
    {
      what: 'no fewer peers than have answered, whatever the estimate',
      init: { isLarge: true, population: 10, sight: { near: 21, all: 1_000 } },
      waves: [
        [{ more: true, peers: 500 }, near(cheapFlood)],
        [{ more: true, peers: 500 }, walk(least)]
      ]
    },
    {
      what: 'without keys nothing is seen by summaries',
      init: { isLarge: true, hasKeys: false, population: 200, sight: { near: 21, all: 5_000 } },
      waves: [
        [{ more: true }, walk(least)],
        [{ more: true, spent: 32, lastSpent: 32, lastPeers: 30, peers: 30 }, walk(64)]
      ]
    },
    { what: 'a small budget is all there is', init: { budget: 20 }, waves: [[{}, flood(7, 20)]] }
  ]
}

for (const [strategy, list] of Object.entries(cases)) {
  for (const { what, init: fields, waves } of list) {
    test(`${strategy}: ${what}`, () => {
      const plan = new Plan({ ...init, strategy: strategy as Strategy, ...fields }, searchConfig)
      for (const [progress, expected] of waves) {
        // each wave meets somebody new unless the case says otherwise
        const wave = plan.next({ ...begin, lastPeers: 1, ...progress })
        const { how, order } = wave ?? {}
        assert.deepEqual(
          order === undefined ? 'over' : [how, order.ttl, order.width, order.budget, order.want],
          expected
        )
      }
    })
  }
}

test('walkers that meet nobody new twice in a row have met all; once, where so many are known to be there', () => {
  const wavesAt = (fields: Partial<PlanInit>): number => {
    const plan = new Plan({ ...init, strategy: 'walk', ...fields }, searchConfig)
    const met = [9, 0, 3, 0, 0, 0, 0]
    let waves = 0
    while (plan.next({ ...begin, peers: 9, more: true, lastSpent: 32, lastPeers: met[waves] ?? 0 }) !== undefined)
      waves++
    return waves
  }
  assert.equal(wavesAt({}), 4)
  assert.equal(wavesAt({ population: 10 }), 1)
  assert.equal(wavesAt({ population: 200, hasKeys: false }), 4)
})

test('no search has waves without end', () => {
  const plan = new Plan({ ...init, strategy: 'walk', budget: 10_000 }, searchConfig)
  let waves = 0
  while (plan.next({ ...begin, peers: 1, more: true, lastSpent: 1, lastPeers: 1 }) !== undefined) waves++
  assert.ok(waves > 5 && waves < 50, `${waves}`)
})

test('waves that others come after have a time of their own', () => {
  const first = (fields: Partial<PlanInit>): number | undefined =>
    new Plan({ ...init, ...fields }, searchConfig).next(begin)?.waitMs
  assert.equal(first({}), maxTtl * hopMs)
  assert.equal(first({ ttl: 2 }), 2 * hopMs)
  assert.equal(first({ isLarge: true }), summaryHops * hopMs)
  assert.equal(first({ strategy: 'ring' }), hopMs)
  assert.equal(first({ strategy: 'flood' }), Number.POSITIVE_INFINITY)
  assert.equal(first({ strategy: 'walk' }), 4 * hopMs, 'for each step')
  assert.equal(first({ strategy: 'walk', walkers: 1 }), budget * hopMs)
})

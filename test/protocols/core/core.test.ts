import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BoundedMap } from '../../../protocols/core/bounded-map.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { TokenBucket } from '../../../protocols/core/token-bucket.ts'

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number): number[] => {
    const rng = seededRng(seed)
    return Array.from({ length: 20 }, () => rng.uint32())
  }
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
  assert.notDeepEqual(draw(7), draw(7 + 2 ** 32))
})

test('draws are uniform', () => {
  const rng = seededRng(1)
  const counts = new Array<number>(16).fill(0)
  for (let i = 0; i < 160_000; i++) counts[rng.below(16)]!++
  // chi-square with 15 degrees of freedom: 37.7 is the 0.1 % bound
  const chi = counts.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0)
  assert.ok(chi < 37.7, `chi-square ${chi}`)
})

test('a sample has no duplicates, keeps its source, and every order occurs', () => {
  const rng = seededRng(3)
  const source = [1, 2, 3]
  const seen = new Set<string>()
  for (let i = 0; i < 500; i++) seen.add(rng.sample(source, 2).join())
  assert.equal(seen.size, 6)
  assert.deepEqual(source, [1, 2, 3])
  assert.equal(rng.sample(source, 9).length, 3)
})

test('forks do not move the draws of their parent beyond the fork', () => {
  const a = seededRng(5)
  const b = seededRng(5)
  const fork = a.fork()
  for (let i = 0; i < 100; i++) fork.uint32()
  b.fork()
  assert.equal(a.uint32(), b.uint32())
})

test('a bounded map never holds more than its limit and forgets what was set longest ago', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.tuple(fc.nat(12), fc.boolean())), (limit, steps) => {
      const map = new BoundedMap<number, number>(limit)
      let model: number[] = []
      for (const [key, remove] of steps) {
        model = model.filter(k => k !== key)
        if (remove) map.delete(key)
        else {
          const evicted = map.set(key, key)
          model.push(key)
          assert.equal(evicted?.[0], model.length > limit ? model.shift() : undefined)
        }
        assert.deepEqual([...map.keys()], model)
      }
    })
  )
})

test('a token bucket gives its burst at once and its rate for ever', () => {
  const bucket = new TokenBucket({ rate: 10, burst: 5 })
  let taken = 0
  for (let now = 0; now <= 10_000; now++) if (bucket.take(now)) taken++
  assert.ok(taken >= 104 && taken <= 105, `${taken}`)
  assert.equal(bucket.take(5_000), false)
})

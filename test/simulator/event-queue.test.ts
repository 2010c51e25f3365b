import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { END_OF_TIME, EventQueue } from '../../src/simulator/index.ts'

type Step = { do: 'push'; inMs: number } | { do: 'pop'; withinMs: number }

/** Near and far times, and those at the edges of the wheel's levels. */
const delay = fc.oneof(
  fc.nat(5),
  fc.nat(3_000),
  fc.nat(5_000_000),
  fc.nat(2 ** 25),
  fc.constantFrom(2047, 2048, 2049, 2 ** 21 - 1, 2 ** 21, 2 ** 21 + 1)
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: delay.map(inMs => ({ do: 'push' as const, inMs })) },
  { weight: 2, arbitrary: delay.map(withinMs => ({ do: 'pop' as const, withinMs })) }
)

test('events leave as from a list sorted by time, those of one millisecond in the order of their pushes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const queue = new EventQueue<number>(1)
      const reference: { time: number; number: number }[] = []
      let pushed = 0
      const popOne = (limit: number): void => {
        reference.sort((a, b) => a.time - b.time || a.number - b.number)
        const [first] = reference
        const record = queue.pop(limit)
        if (first === undefined || first.time > limit) {
          assert.equal(record, -1)
          assert.equal(queue.now, limit)
          return
        }
        reference.shift()
        assert.equal(queue.payloads[record], first.number)
        assert.equal(queue.now, first.time)
        queue.release(record)
      }
      for (const next of steps) {
        const time = Math.min(queue.now + (next.do === 'push' ? next.inMs : next.withinMs), END_OF_TIME - 1)
        if (next.do === 'push') {
          queue.push(time, pushed)
          reference.push({ time, number: pushed++ })
        } else popOne(time)
        assert.equal(queue.size, reference.length)
      }
      while (reference.length > 0) popOne(END_OF_TIME - 1)
    }),
    { numRuns: 400 }
  )
})

test('the past and the end of time are refused', () => {
  const queue = new EventQueue<string>()
  queue.push(10, 'a')
  queue.pop(10)
  for (const time of [9, END_OF_TIME, Number.NaN]) assert.throws(() => queue.push(time, 'b'), RangeError)
  assert.equal(queue.pop(10), -1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockSet } from '../../../src/library/content/block-set.ts'

const shapes = fc.record({
  size: fc.integer({ min: 1, max: 300 }),
  groupSize: fc.constantFrom(1, 2, 4, 8, 16, 64),
  chosen: fc.uniqueArray(fc.nat(299))
})

test('counts follow what is added, and what is read back from its bits', () => {
  fc.assert(
    fc.property(shapes, ({ size, groupSize, chosen }) => {
      const there = new Set(chosen.filter(index => index < size))
      const set = new BlockSet({ size, groupSize })
      for (const index of there) assert.equal(set.add(index), true)
      for (const index of there) assert.equal(set.add(index), false)
      for (const same of [set, new BlockSet({ size, groupSize, bits: set.bits.slice() })]) {
        assert.equal(same.count, there.size)
        assert.equal(same.full, there.size === size)
        for (let i = 0; i < size; i++) assert.equal(same.has(i), there.has(i))
        for (let group = 0; group * groupSize < size; group++) {
          const expected = [...there].filter(index => Math.floor(index / groupSize) === group).length
          assert.equal(same.countIn(group), expected)
        }
      }
    })
  )
})

test('all at once, and bits that are not those of such a set', () => {
  fc.assert(
    fc.property(shapes, ({ size, groupSize }) => {
      const all = new BlockSet({ size, groupSize })
      all.addAll()
      assert.equal(all.count, size)
      assert.ok(all.full)
      assert.equal(all.countIn(0), Math.min(size, groupSize))
      const spare = new BlockSet({ size, groupSize, bits: new Uint8Array(all.bits.byteLength).fill(0xff) })
      assert.deepEqual(spare.bits, all.bits)
      assert.equal(spare.count, size)
      const other = new BlockSet({ size, groupSize, bits: new Uint8Array(all.bits.byteLength + 1).fill(0xff) })
      assert.equal(other.count, 0)
    })
  )
})

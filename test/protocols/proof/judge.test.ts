import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodeError } from '../../../protocols/core/codec.ts'
import { BLOCK_BYTES, blockCount } from '../../../protocols/metainfo/index.ts'
import {
  type Answer,
  answerCodec,
  challengedBlocks,
  judge,
  proofLimits,
  type Question,
  questionCodec,
  type Verdict
} from '../../../protocols/proof/index.ts'
import { sha256 } from '../metainfo/naive-tree.ts'
import { Sample } from './samples.ts'

const samples = new Map<number, Sample>()
function sampleOf(size: number): Sample {
  const known = samples.get(size) ?? new Sample(size)
  samples.set(size, known)
  return known
}

/** Sizes around the edges of blocks and of powers of two. */
const SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17].flatMap(blocks =>
  [1 - BLOCK_BYTES, -1, 0].map(change => blocks * BLOCK_BYTES + change)
)

/** What an asker makes of the bytes that arrive. */
function readAndJudge(question: Question, bytes: Uint8Array): Verdict {
  try {
    return judge(question, answerCodec.decode(bytes), sha256)
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error))
    return { type: 'wrong', reason: error.message }
  }
}

test('every challenge of a file of any size is answered by a proof of just that size', () => {
  for (const size of SIZES) {
    const sample = sampleOf(size)
    const blocks = blockCount(size)
    for (let challenge = 0; challenge < Math.max(1, blocks - 1); challenge++) {
      const bytes = answerCodec.encode(sample.answer(challenge))
      assert.ok(bytes.byteLength <= proofLimits.maxAnswerBytes)
      assert.deepEqual(readAndJudge({ id: sample.id, challenge }, bytes), { type: 'proven', size })
    }
  }
})

test('the last block is always asked for, and every other one as often', () => {
  assert.deepEqual(challengedBlocks(12_345, BLOCK_BYTES), [0])
  assert.deepEqual(challengedBlocks(12_345, BLOCK_BYTES + 1), [1, 0])
  const drawn = new Map<number, number>()
  for (let challenge = 0; challenge < 700; challenge++) {
    const [last, other] = challengedBlocks(challenge, 8 * BLOCK_BYTES)
    assert.equal(last, 7)
    drawn.set(other!, (drawn.get(other!) ?? 0) + 1)
  }
  assert.deepEqual(
    [...drawn].sort(([a], [b]) => a - b),
    [0, 1, 2, 3, 4, 5, 6].map(block => [block, 100])
  )
  const [last, other] = challengedBlocks(proofLimits.challenges - 1, proofLimits.maxSize)
  assert.equal(last, 2 ** 36 - 1)
  assert.ok(other !== undefined && other < 2 ** 36 - 1)
})

test('no bit of a proof can be changed', () => {
  // every bit of what is not block data, and of the data those that fast-check picks
  for (const size of [1, 40, BLOCK_BYTES + 40, 5 * BLOCK_BYTES - 16_000]) {
    const sample = sampleOf(size)
    const question = { id: sample.id, challenge: 3 }
    const good = answerCodec.encode(sample.answer(3)).slice()
    const check = (bit: number): void => {
      const bad = good.slice()
      bad[bit >>> 3]! ^= 1 << (bit & 7)
      assert.equal(readAndJudge(question, bad).type, 'wrong', `bit ${bit} of ${size} bytes`)
    }
    const last = sample.answer(3).blocks[0]!
    const head = 9 + last.data.byteLength + last.uncles.byteLength
    for (let bit = 0; bit < head * 8; bit++) check(bit)
    const tail = sample.answer(3).blocks[1]?.uncles.byteLength ?? 0
    for (let bit = (good.byteLength - tail) * 8; bit < good.byteLength * 8; bit++) check(bit)
    fc.assert(fc.property(fc.nat(good.byteLength * 8 - 1), check), { numRuns: 300 })
  }
})

test('no bit of the question fits another answer', () => {
  const sample = sampleOf(8 * BLOCK_BYTES)
  const answer = sample.answer(3)
  const question = questionCodec.encode({ id: sample.id, challenge: 3 })
  for (let bit = 0; bit < 32 * 8; bit++) {
    const other = question.slice()
    other[bit >>> 3]! ^= 1 << (bit & 7)
    assert.equal(judge(questionCodec.decode(other), answer, sha256).type, 'wrong')
  }
  for (let challenge = 0; challenge < 7; challenge++) {
    const verdict = judge({ id: sample.id, challenge }, answer, sha256).type
    assert.equal(verdict, challenge === 3 ? 'proven' : 'wrong', `an answer to 3 is one to ${challenge}`)
  }
})

test('whatever is cut off or added, the proof is none', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SIZES.slice(0, 12)),
      fc.nat(),
      fc.integer({ min: -40, max: 40 }),
      (size, challenge, by) => {
        const sample = sampleOf(size)
        const good = answerCodec.encode(sample.answer(challenge))
        const bad = new Uint8Array(Math.max(1, good.byteLength + by))
        bad.set(good.subarray(0, bad.byteLength))
        const verdict = readAndJudge({ id: sample.id, challenge }, bad)
        assert.equal(verdict.type, by === 0 ? 'proven' : 'wrong')
      }
    )
  )
})

test('nobody proves another size with true blocks and true hashes', () => {
  const sample = sampleOf(7 * BLOCK_BYTES)
  const { id, data, layers } = sample
  for (let size = BLOCK_BYTES; size <= 16 * BLOCK_BYTES; size += BLOCK_BYTES) {
    const height = Math.ceil(Math.log2(size / BLOCK_BYTES))
    for (let challenge = 0; challenge < size / BLOCK_BYTES; challenge++) {
      // whoever has the whole file has all of this: paths of the height that goes with the size, cut off or made longer
      const blocks = challengedBlocks(challenge, size).map(block => {
        const { data, uncles } = sample.block(Math.min(block, 6), Math.min(height, 3))
        const fitting = new Uint8Array(height * 32)
        fitting.set(uncles)
        return { data, uncles: fitting }
      })
      const verdict = judge({ id, challenge }, { type: 'proof', size, blocks }, sha256)
      assert.equal(verdict.type === 'proven', size === data.byteLength, `${size} with ${challenge}`)
    }
  }

  // two hashes of the tree are 64 bytes: as the last block of a lower tree they lead to the root
  const [left, right] = layers.at(-2) as [Uint8Array, Uint8Array]
  const end = { data: new Uint8Array(Buffer.concat(layers.at(-3)!.slice(2))), uncles: left }
  for (const other of [sample.block(0, 1), { ...sample.block(0), uncles: right }, end]) {
    const lie: Answer = { type: 'proof', size: BLOCK_BYTES + 64, blocks: [end, other] }
    for (let challenge = 0; challenge < 4; challenge++) {
      assert.equal(judge({ id, challenge }, lie, sha256).type, 'wrong')
    }
  }
  const whole: Answer = {
    type: 'proof',
    size: 64,
    blocks: [{ data: Buffer.concat([left, right]), uncles: new Uint8Array() }]
  }
  assert.deepEqual(
    judge({ id, challenge: 0 }, whole, sha256),
    { type: 'proven', size: 64 },
    'those 64 bytes are a file'
  )
})

test('a number of blocks that does not fit the size, as no decoder would give it, is wrong', () => {
  const sample = sampleOf(2 * BLOCK_BYTES)
  const answer = sample.answer(0)
  const [last] = answer.blocks
  for (const blocks of [[], [last!], [...answer.blocks, last!]]) {
    assert.equal(judge({ id: sample.id, challenge: 0 }, { ...answer, blocks }, sha256).type, 'wrong')
  }
})

test('what is no message is refused', () => {
  const cases: [Uint8Array, RegExp][] = [
    [Uint8Array.of(), /ends inside a field/],
    [Uint8Array.of(2), /unknown kind/],
    [Uint8Array.of(0, 0), /after the message/],
    [Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0), /out of range/],
    [Uint8Array.of(1, 0, 4, 0, 0, 0, 0, 0, 1), /out of range/],
    [Uint8Array.of(1, 0xff, 0, 0, 0, 0, 0, 0, 0), /2\^53/]
  ]
  for (const [bytes, reason] of cases) {
    assert.throws(
      () => answerCodec.decode(bytes),
      (error: Error) => error instanceof DecodeError && reason.test(error.message)
    )
  }
  assert.deepEqual(answerCodec.decode(answerCodec.encode({ type: 'refused' })), { type: 'refused' })
  const question = questionCodec.encode({ id: sampleOf(1).id, challenge: proofLimits.challenges - 1 })
  assert.equal(question.byteLength, proofLimits.questionBytes)
  assert.equal(questionCodec.decode(question).challenge, proofLimits.challenges - 1)
  for (const bad of [question.subarray(1), new Uint8Array(41), new Uint8Array(40).fill(255)]) {
    assert.throws(() => questionCodec.decode(bad), DecodeError)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      for (const codec of [answerCodec, questionCodec]) {
        try {
          codec.decode(bytes)
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }
    })
  )
})

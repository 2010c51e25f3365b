import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { Libp2p, Stream } from '@libp2p/interface'
import type { FileId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { FramedStream, join } from '../../../protocols/libp2p/framed-stream.ts'
import { BLOCK_BYTES } from '../../../protocols/metainfo/index.ts'
import {
  PROOF_PROTOCOL,
  type ProofService,
  type ProofServiceInit,
  type ProvableFile,
  proofService
} from '../../../protocols/proof/handler.ts'
import {
  type Answer,
  answerCodec,
  challengedBlocks,
  proofLimits,
  type Question,
  questionCodec
} from '../../../protocols/proof/index.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { sha256 } from '../metainfo/naive-tree.ts'
import { Sample } from './samples.ts'

const hosts: Libp2p[] = []
afterEach(() => Promise.all(hosts.splice(0).map(host => host.stop())))

const sample = new Sample(9 * BLOCK_BYTES + 77)

interface Started {
  host: Libp2p<{ proof: ProofService }>
  proof: ProofService
  penalties: { peer: Peer; reason: string }[]
}

async function start(
  files: (ProvableFile & { id: FileId })[] = [],
  init: Partial<ProofServiceInit> = {}
): Promise<Started> {
  const penalties: Started['penalties'] = []
  const host = await startTestHost({
    proof: proofService({
      open: id => files.find(file => file.id === id),
      sha256,
      onPenalty: (peer, reason) => penalties.push({ peer, reason }),
      ...init
    })
  })
  hosts.push(host)
  return { host, proof: host.services.proof, penalties }
}

/** A holder that answers as the test says. */
async function hostile(reply: (framed: FramedStream, question: Question, stream: Stream) => void): Promise<Libp2p> {
  const host = await startTestHost({})
  hosts.push(host)
  await host.handle(PROOF_PROTOCOL, async stream => {
    const framed = new FramedStream(stream, { maxFrameBytes: 1_000 })
    const question = await framed.read()
    if (question !== undefined) reply(framed, questionCodec.decode(join(question)), stream)
  })
  return host
}

async function askOf(holder: Libp2p) {
  const asker = await start()
  await asker.host.dial(holder.getMultiaddrs())
  return await asker.proof.ask(holder.peerId, sample.id)
}

const say = (framed: FramedStream, answer: Answer): void => {
  framed.write(answerCodec.encode(answer))
  void framed.close()
}

test('an honest holder proves files of every kind of size; what it has not, it refuses', async () => {
  const files = [1, BLOCK_BYTES, BLOCK_BYTES + 1, 8 * BLOCK_BYTES, sample.size].map(size => new Sample(size))
  const holder = await start(files)
  const asker = await start()
  await asker.host.dial(holder.host.getMultiaddrs())
  for (const { id, size } of files) {
    assert.deepEqual(await asker.proof.ask(holder.host.peerId, id), { type: 'proven', size })
  }
  assert.deepEqual(await asker.proof.ask(holder.host.peerId, 'ab'.repeat(32) as FileId), { type: 'refused' })
  assert.deepEqual(holder.penalties, [])
  assert.deepEqual([holder.proof.stats.answered, holder.proof.stats.refused, asker.proof.stats.asked], [5, 1, 6])
  const connection = holder.host.getConnections()[0]!
  await eventually('no stream stays open', () =>
    connection.streams.every(({ protocol }) => protocol !== PROOF_PROTOCOL)
  )
})

test('a holder is dialled when there is no connection, and the blocks are drawn anew each time', async () => {
  const drawn = new Set<number>()
  const show = async (blocks: readonly number[]) => {
    drawn.add(blocks[1]!)
    return await sample.show(blocks)
  }
  const holder = await start([{ id: sample.id, size: sample.size, costBytes: 1, show }])
  const asker = await start()
  await asker.host.peerStore.merge(holder.host.peerId, { multiaddrs: holder.host.getMultiaddrs() })
  await eventually('every block was asked for', async () => {
    assert.equal((await asker.proof.ask(holder.host.peerId, sample.id)).type, 'proven')
    return drawn.size === 9
  })
})

const wrongAnswers: [string, RegExp, (framed: FramedStream, question: Question) => void][] = [
  [
    'another block than the one that was drawn',
    /a block of the file does not lead/,
    (framed, { challenge }) => say(framed, sample.answer(challenge + 1))
  ],
  [
    'a wrong end',
    /the end of the file does not lead/,
    (framed, { challenge }) => {
      const answer = sample.answer(challenge)
      answer.blocks[0]!.data[76]! ^= 1
      say(framed, answer)
    }
  ],
  [
    'a longer file with the same height',
    /the end of the file does not lead/,
    framed => {
      const blocks = [sample.block(9), sample.block(0)]
      say(framed, { type: 'proof', size: sample.size + BLOCK_BYTES, blocks })
    }
  ],
  [
    'a path that is too short for its size',
    /ends inside a field/,
    (framed, { challenge }) => {
      const answer = sample.answer(challenge)
      say(framed, {
        ...answer,
        blocks: answer.blocks.map(({ data, uncles }) => ({ data, uncles: uncles.subarray(32) }))
      })
    }
  ],
  [
    'a path that is too long for its size',
    /after the message/,
    (framed, { challenge }) => {
      const answer = sample.answer(challenge)
      const longer = answer.blocks.map(({ data, uncles }) => ({
        data,
        uncles: Buffer.concat([uncles, new Uint8Array(32)])
      }))
      say(framed, { ...answer, blocks: longer })
    }
  ],
  [
    'an oversized answer',
    /a frame of/,
    framed => {
      framed.write(new Uint8Array(proofLimits.maxAnswerBytes + 1))
      void framed.close()
    }
  ],
  [
    'two answers',
    /more than one answer/,
    framed => {
      framed.write(answerCodec.encode({ type: 'refused' }))
      framed.write(answerCodec.encode({ type: 'refused' }))
      void framed.close()
    }
  ],
  [
    'answers without end',
    /more than one answer|more than 35081 bytes/,
    framed => {
      for (let i = 0; i < 10; i++) framed.write(new Uint8Array(30_000).fill(1))
    }
  ],
  ['a proof of no file', /out of range/, framed => say(framed, { type: 'proof', size: 0, blocks: [] })]
]

test('a wrong answer of any kind is wrong', async () => {
  let reply: (typeof wrongAnswers)[number][2] = () => {}
  const liar = await hostile((framed, question) => reply(framed, question))
  const asker = await start()
  await asker.host.dial(liar.getMultiaddrs())
  for (const [what, reason, wrong] of wrongAnswers) {
    reply = wrong
    const result = await asker.proof.ask(liar.peerId, sample.id)
    assert.ok(result.type === 'wrong', `${what}: ${JSON.stringify(result)}`)
    assert.match(result.reason, reason, what)
  }
})

test('who has a part of a file is found out by the block that is drawn', async () => {
  const had = new Set([0, 1, 2, 3, 9])
  const half = await hostile((framed, { challenge }) => {
    const blocks = challengedBlocks(challenge, sample.size).map(block => {
      const shown = sample.block(block)
      return had.has(block) ? shown : { ...shown, data: new Uint8Array(BLOCK_BYTES) }
    })
    say(framed, { type: 'proof', size: sample.size, blocks })
  })
  const asker = await start()
  await asker.host.dial(half.getMultiaddrs())
  const seen = new Set<string>()
  await eventually('both happen', async () => {
    seen.add((await asker.proof.ask(half.peerId, sample.id)).type)
    return seen.has('wrong') && seen.has('proven')
  })
  assert.equal(seen.size, 2)
})

test('silence of every kind is silence', async () => {
  const quiet: [string, (framed: FramedStream, question: Question, stream: Stream) => void][] = [
    ['says nothing', () => {}],
    ['closes', framed => void framed.close()],
    ['resets', framed => framed.abort(new Error('no'))],
    [
      'leaves within the answer',
      (framed, _question, stream) => {
        stream.send(Uint8Array.of(0, 0, 1, 0, 1))
        void framed.close()
      }
    ],
    ['never ends it', framed => framed.write(answerCodec.encode({ type: 'refused' }))]
  ]
  let reply = quiet[0]![1]
  const holder = await hostile((framed, question, stream) => reply(framed, question, stream))
  const asker = await start([], { config: { answerMs: 300 } })
  await asker.host.dial(holder.getMultiaddrs())
  for (const [what, silence] of quiet) {
    reply = silence
    assert.deepEqual(await asker.proof.ask(holder.peerId, sample.id), { type: 'silent' }, what)
  }
  const mute = await startTestHost({})
  hosts.push(mute)
  assert.deepEqual(await askOf(mute), { type: 'silent' }, 'another kind of peer')
  await mute.stop()
  assert.deepEqual(await asker.proof.ask(mute.peerId, sample.id), { type: 'silent' }, 'nobody')
  assert.deepEqual(
    await asker.proof.ask(mute.peerId, sample.id, AbortSignal.abort(new Error('stopped'))),
    { type: 'silent' },
    'a search that was stopped'
  )
})

test('questions that are none are penalised', async () => {
  const holder = await start([sample])
  for (const bytes of [new Uint8Array(39), new Uint8Array(40).fill(255), new Uint8Array(0)]) {
    const stranger = await startTestHost({})
    hosts.push(stranger)
    const stream = await stranger.dialProtocol(holder.host.getMultiaddrs(), PROOF_PROTOCOL)
    const framed = new FramedStream(stream, { maxFrameBytes: 100_000 })
    framed.write(bytes)
    await assert.rejects(framed.read())
    assert.equal(holder.penalties.at(-1)?.peer as string, stranger.peerId.toString())
  }
  assert.equal(holder.penalties.length, 3)
})

test('a peer that asks too much is refused, one that floods is penalised, and others are not kept from it', async () => {
  const file = new Sample(BLOCK_BYTES)
  const config = { questions: { rate: 0, burst: 12 }, peerBytes: { rate: 0, burst: 800_000 }, leastBytes: 65_536 }
  const holder = await start([file], { config })
  const [greedy, other] = [await start(), await start()]
  for (const { host } of [greedy, other]) await host.dial(holder.host.getMultiaddrs())
  const results: string[] = []
  for (let i = 0; i < 13; i++) results.push((await greedy.proof.ask(holder.host.peerId, file.id)).type)
  // each costs 65,536 for the question and 16,384 for the file
  assert.deepEqual(results, [...Array(9).fill('proven'), ...Array(3).fill('refused'), 'silent'])
  assert.equal(file.shown, 9)
  assert.deepEqual(
    holder.penalties.map(({ peer }) => peer as string),
    [greedy.host.peerId.toString()]
  )
  assert.equal((await other.proof.ask(holder.host.peerId, file.id)).type, 'proven')
})

test('so many are read for at once, so many wait, and the others are refused', async () => {
  let reading = 0
  let most = 0
  const going: (() => void)[] = []
  const show: ProvableFile['show'] = async blocks => {
    most = Math.max(most, ++reading)
    await new Promise<void>(resolve => going.push(resolve))
    reading--
    return await sample.show(blocks)
  }
  const holder = await start([{ id: sample.id, size: sample.size, costBytes: 1, show }], {
    config: { maxAtOnce: 2, maxWaiting: 3 }
  })
  const asker = await start()
  await asker.host.dial(holder.host.getMultiaddrs())
  const asked = Array.from({ length: 8 }, () => asker.proof.ask(holder.host.peerId, sample.id))
  await eventually('three are refused', () => holder.proof.stats.refused === 3)
  for (let left = 5; left > 0; left--) (await eventually('one has its turn', () => going.shift()))()
  const types = (await Promise.all(asked)).map(({ type }) => type).sort()
  assert.deepEqual(types, [...Array(5).fill('proven'), ...Array(3).fill('refused')])
  assert.equal(most, 2)
  const more = asker.proof.ask(holder.host.peerId, sample.id)
  const go = await eventually('there is room again', () => going.shift())
  go()
  assert.equal((await more).type, 'proven')
})

test('a file that cannot be shown any more is refused; an error in it ends the question and nothing else', async () => {
  const changed = { id: sample.id, size: sample.size, costBytes: 1, show: async () => undefined }
  assert.deepEqual(await askOf((await start([changed])).host), { type: 'refused' })
  let fails = true
  const failing: ProvableFile & { id: FileId } = {
    ...changed,
    show: async blocks => {
      if (fails) throw new Error('a fault of ours')
      return await sample.show(blocks)
    }
  }
  const holder = await start([failing], { config: { maxAtOnce: 1 } })
  assert.deepEqual(await askOf(holder.host), { type: 'silent' })
  fails = false
  assert.equal((await askOf(holder.host)).type, 'proven', 'its turn was given back')
})

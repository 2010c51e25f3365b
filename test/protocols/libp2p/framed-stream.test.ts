import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import fc from 'fast-check'
import { type Frame, FramedStream, join } from '../../../protocols/libp2p/framed-stream.ts'
import { eventually } from '../../../src/testkit/wait.ts'

const init = { maxFrameBytes: 1024 * 1024 }

async function pair(options = {}): Promise<[Stream, Stream]> {
  return (await streamPair(options)) as unknown as [Stream, Stream]
}

function bytes(length: number, fill = 7): Uint8Array {
  return new Uint8Array(length).fill(fill)
}

test('frames arrive as they were written, however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(70_000), { maxLength: 12 }), async lengths => {
      const [a, b] = await pair()
      const writer = new FramedStream(a, init)
      const reader = new FramedStream(b, init)
      for (const [i, length] of lengths.entries()) writer.write(bytes(length, i), bytes(3, 200))
      void writer.close()
      for (const [i, length] of lengths.entries()) {
        assert.deepEqual(Buffer.from(join((await reader.read())!)), Buffer.concat([bytes(length, i), bytes(3, 200)]))
      }
      assert.equal(await reader.read(), undefined)
    }),
    { numRuns: 30 }
  )
})

test('a frame that comes in crumbs is whole and held in few parts', async () => {
  for (const [step, length] of [
    [1, 1_500],
    [3, 4_500],
    [700, 100_000],
    [1_023, 100_000]
  ] as const) {
    const expected = Uint8Array.from({ length }, (_, i) => i % 251)
    const [a, b] = await pair()
    const reader = new FramedStream(b, init)
    const writer = new FramedStream(a, init)
    const wire = Buffer.concat([Uint8Array.of(0, 0, length >>> 8, length), expected, Uint8Array.of(0, 0, 0, 2, 8, 9)])
    wire[1] = length >>> 16
    for (let at = 0; at < wire.byteLength; at += step) {
      writer.writeRaw(wire.subarray(at, at + step))
      await writer.drained()
      // each arrives on its own
      await new Promise(resolve => setImmediate(resolve))
    }
    const frame = (await reader.read()) as Frame
    assert.deepEqual(Buffer.from(join(frame)), Buffer.from(expected))
    assert.ok(frame.length < 10, `${frame.length} parts with steps of ${step}`)
    assert.deepEqual([...join((await reader.read()) as Frame)], [8, 9])
  }
})

test('small frames that wait count with what they cost in memory, not with their bytes alone', async () => {
  const [a] = await pair()
  const writer = new FramedStream(a, init)
  for (let i = 0; i < 1_000; i++) writer.write(bytes(17))
  assert.equal(writer.queuedBytes, 21_000)
  assert.ok(writer.queuedCost >= 200_000, `${writer.queuedCost}`)
})

test('an empty frame is a frame, raw bytes come before the first one', async () => {
  const [a, b] = await pair()
  const writer = new FramedStream(a, init)
  const reader = new FramedStream(b, init)
  writer.writeRaw(bytes(68))
  writer.write()
  writer.write(bytes(1))
  assert.deepEqual(await reader.readRaw(68), bytes(68))
  assert.deepEqual(await reader.read(), [])
  assert.equal(join((await reader.read())!).byteLength, 1)
})

test('push mode delivers every frame, then the end, once', async () => {
  const [a, b] = await pair()
  const writer = new FramedStream(a, init)
  const reader = new FramedStream(b, init)
  const frames: Frame[] = []
  const ended = new Promise<Error | undefined>(resolve => reader.receive(frame => frames.push(frame), resolve))
  for (let i = 0; i < 100; i++) writer.write(bytes(10_000))
  await writer.close()
  assert.equal(await ended, undefined)
  assert.equal(frames.length, 100)
})

test('paused, nothing is delivered and nothing is lost; the end waits too', async () => {
  const [a, b] = await pair()
  const writer = new FramedStream(a, init)
  const reader = new FramedStream(b, init)
  let frames = 0
  let over = false
  const ended = new Promise<Error | undefined>(resolve =>
    reader.receive(
      () => {
        frames++
        reader.pause()
      },
      error => {
        over = true
        resolve(error)
      }
    )
  )
  for (let i = 0; i < 5; i++) writer.write(bytes(10))
  void writer.close()
  for (let i = 1; i <= 5; i++) {
    while (frames < i) await new Promise(resolve => setImmediate(resolve))
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
    assert.equal(frames, i)
    assert.equal(over, false)
    reader.resume()
  }
  assert.equal(await ended, undefined)
})

test('a stream that ends inside a frame is cut off', async () => {
  const [a, b] = await pair()
  const reader = new FramedStream(b, init)
  a.send(Uint8Array.of(0, 0, 0, 9, 1, 2))
  await a.close()
  await assert.rejects(reader.read(), { code: 'CUT_OFF' })

  const [c, d] = await pair()
  const pushed = new FramedStream(d, init)
  const ended = new Promise<Error | undefined>(resolve => pushed.receive(() => {}, resolve))
  c.send(Uint8Array.of(0, 0))
  await c.close()
  assert.equal(((await ended) as { code?: string }).code, 'CUT_OFF')
})

test('a reset ends reading and writing with an error', async () => {
  const [a, b] = await pair()
  const reader = new FramedStream(b, init)
  const reading = reader.read()
  reading.catch(() => {})
  a.abort(new Error('no more'))
  await assert.rejects(reading)
  reader.write(bytes(10))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(reader.queuedBytes, 0)
})

test('a lying length ends the stream at once and nothing is allocated for it', async () => {
  const [a, b] = await pair()
  const reader = new FramedStream(b, { maxFrameBytes: 1000 })
  a.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1))
  await assert.rejects(reader.read(), { code: 'FRAME_TOO_LARGE' })

  const [c, d] = await pair()
  const late = new FramedStream(d, { maxFrameBytes: 4 })
  c.send(Uint8Array.of(0, 0, 0, 5, 1, 2, 3, 4, 5))
  await c.close()
  await eventually('all of it is here', () => late.ended)
  await assert.rejects(late.read(), { code: 'FRAME_TOO_LARGE' }, 'also when the sender has ended its side')
  assert.equal(b.status, 'aborted')
})

test('a frame that does not come to its end is cut off in time', async () => {
  const [a, b] = await pair()
  const reader = new FramedStream(b, { ...init, frameTimeoutMs: 30 })
  a.send(Uint8Array.of(0, 0, 0, 9, 1))
  const keepAlive = setInterval(() => {}, 1000)
  await assert.rejects(reader.read(), { code: 'TOO_SLOW' })
  clearInterval(keepAlive)
})

test('a reader that does not read pauses the stream, and loses nothing by it', async () => {
  const [a, b] = await pair()
  const writer = new FramedStream(a, init)
  const reader = new FramedStream(b, { ...init, highWaterBytes: 128 * 1024 })
  for (let i = 0; i < 12; i++) writer.write(bytes(256 * 1024, i))
  while (b.readStatus !== 'paused') await new Promise(resolve => setImmediate(resolve))
  for (let i = 0; i < 12; i++) assert.equal(join((await reader.read())!)[0], i)
  await writer.drained()
  assert.equal(writer.queuedBytes, 0)
})

test('a signal ends a wait, not the stream', async () => {
  const [a, b] = await pair()
  const reader = new FramedStream(b, init)
  await assert.rejects(reader.read(AbortSignal.abort(new Error('enough'))), /enough/)
  new FramedStream(a, init).write(bytes(2))
  assert.equal(join((await reader.read())!).byteLength, 2)
})

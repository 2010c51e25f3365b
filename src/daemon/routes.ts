import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { z } from 'zod'
import type { Shoal } from '../api.ts'
import { asShoalError, ERRORS, type ErrorCode, ShoalError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { bodies, checkBody } from './bodies.ts'
import { EventLines } from './event-lines.ts'
import { errorMessage, type Hello, MAX_BODY_BYTES, NDJSON, PROTOCOL } from './protocol.ts'

export interface RoutesInit {
  heartbeatMs: number
  /** An error that is no user's fault. */
  onFault?: ((error: ShoalError) => void) | undefined
}

/** Every method of a Shoal as one route. */
export class Routes {
  readonly app = new Hono()
  readonly #init: RoutesInit
  readonly #streams = new Set<EventLines>() // BOUNDED by the server's connections

  constructor(shoal: Shoal, init: RoutesInit) {
    this.#init = init
    const { app } = this
    app.use(
      bodyLimit({
        maxSize: MAX_BODY_BYTES,
        onError: c => {
          const error = new ShoalError('USAGE', `a request of more than ${MAX_BODY_BYTES} bytes is not read`)
          return c.json(errorMessage(error), 413)
        }
      })
    )
    app.onError((error, c) => this.#refuse(c, error))
    app.notFound(c => this.#refuse(c, new ShoalError('NOT_FOUND', `there is no ${c.req.method} ${c.req.path}`)))

    const hello: Hello = { protocol: PROTOCOL, version: VERSION, pid: process.pid }
    app.get('/v1/hello', c => c.json(hello))
    app.get('/v1/status', async c => c.json(await shoal.status()))
    app.get('/v1/peers', async c => c.json(await shoal.peers()))
    app.get('/v1/ring', async c => c.json(await shoal.ring()))
    app.get('/v1/shares', async c => c.json(await shoal.shares()))
    app.get('/v1/transfers', async c => c.json(await shoal.transfers()))

    // a magnet link may be longer than a URL can be
    app.post('/v1/ls', async c => {
      const { target } = await bodyOf(c, bodies.ls)
      // who asks may leave before everybody was asked
      return c.json(await shoal.ls(target, { signal: c.req.raw.signal }))
    })
    app.post('/v1/forget', async c => {
      const { transfer, ...options } = await bodyOf(c, bodies.forget)
      return c.json(await shoal.forget(transfer, present(options)))
    })
    app.post('/v1/torrent', async c => c.json(await shoal.torrent((await bodyOf(c, bodies.torrent)).share)))
    app.post('/v1/unshare', async c => c.json(await shoal.unshare((await bodyOf(c, bodies.unshare)).paths)))
    app.post('/v1/share', async c => {
      const { paths, ...options } = await bodyOf(c, bodies.share)
      return this.#stream(signal => shoal.share(paths, { ...present(options), signal }))
    })
    app.post('/v1/put', async c => {
      const { path, ...options } = await bodyOf(c, bodies.put)
      return this.#stream(signal => shoal.put(path, { ...present(options), signal }))
    })
    app.post('/v1/copies', async c => c.json(await shoal.copies(present(await bodyOf(c, bodies.copies)))))
    app.post('/v1/drop', async c => c.json(await shoal.drop((await bodyOf(c, bodies.drop)).named)))
    app.post('/v1/search', async c => {
      const { query, ...options } = await bodyOf(c, bodies.search)
      return this.#stream(signal => shoal.search(query, { ...present(options), signal }))
    })
    app.get('/v1/watches', async c => c.json(await shoal.watches()))
    app.post('/v1/watch', async c => {
      const { query, ...options } = await bodyOf(c, bodies.watch)
      return c.json(await shoal.watch(query, present(options)))
    })
    app.post('/v1/unwatch', async c => c.json(await shoal.unwatch((await bodyOf(c, bodies.unwatch)).number)))
    app.post('/v1/watch-events', () => this.#stream(signal => shoal.watchEvents({ signal })))
    app.post('/v1/directory-get', async c => {
      const { key, ...options } = await bodyOf(c, bodies.directoryGet)
      return c.json(await shoal.directoryGet(key, { ...present(options), signal: c.req.raw.signal }))
    })
    app.post('/v1/directory-put', async c => c.json(await shoal.directoryPut(await bodyOf(c, bodies.directoryPut))))
    app.post('/v1/directory-append', async c => {
      const { key, items } = await bodyOf(c, bodies.directoryAppend)
      return c.json(await shoal.directoryAppend(key, items))
    })
    app.post('/v1/directory-remove', async c => {
      const { key, items } = await bodyOf(c, bodies.directoryRemove)
      return c.json(await shoal.directoryRemove(key, items))
    })
    app.post('/v1/get', async c => {
      const { target, ...options } = await bodyOf(c, bodies.get)
      return this.#stream(signal => shoal.get(target, { ...present(options), signal }))
    })
  }

  /** Ends every stream with an error that says why, and waits until the readers have taken it. */
  async stop(reason: ShoalError): Promise<void> {
    const open = [...this.#streams]
    for (const stream of open) stream.stop(reason)
    await Promise.all(open.map(stream => stream.ended))
  }

  #stream(start: (signal: AbortSignal) => AsyncIterable<unknown>): Response {
    const stream = new EventLines({ start, ...this.#init })
    this.#streams.add(stream)
    void stream.ended.then(() => this.#streams.delete(stream))
    return new Response(stream.body, { headers: { 'content-type': NDJSON, 'transfer-encoding': 'chunked' } })
  }

  #refuse(c: Context, thrown: unknown): Response {
    const error = asShoalError(thrown)
    if (error.code === 'INTERNAL') this.#init.onFault?.(error)
    return c.json(errorMessage(error), statusOf(error.code))
  }
}

async function bodyOf<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  let body: unknown
  try {
    body = await c.req.json()
  } catch {
    throw new ShoalError('USAGE', 'the body of the request is not JSON')
  }
  return checkBody(schema, body)
}

/** Without the keys that have no value, which is how optional fields are given to a Shoal. */
function present<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

/** For readers that look at the status line; clients of ours look at the code. */
function statusOf(code: ErrorCode): 400 | 404 | 409 | 500 | 504 {
  switch (ERRORS[code].exit) {
    case 1:
      return 500
    case 2:
      return 400
    case 3:
      return 404
    case 4:
      return 504
    default:
      return 409
  }
}

import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { ShoalError } from '../errors.ts'
import { errorOf, HEARTBEAT, NDJSON } from './protocol.ts'

/** Longest line and longest answer that are read. The other end is a process of the same user; these only end a fault. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

export interface SocketRequest {
  method: 'GET' | 'POST'
  path: string
  body?: unknown
  signal?: AbortSignal | undefined
}

/** Requests to the process that listens on a Unix socket. Each has a connection of its own. */
export class SocketRequests {
  readonly #socketPath: string
  readonly #open = new Set<ClientRequest>() // BOUNDED by the calls of the program that uses it
  #closed = false

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** The JSON that answers. @throws ShoalError the one that the other end met, or NETWORK, INTERRUPTED */
  async answer(what: SocketRequest): Promise<unknown> {
    const response = await this.#send(what)
    const message = await this.#whole(response)
    if (response.statusCode === 200) return message
    throw errorOf(message) ?? new ShoalError('INTERNAL', `the running peer answers ${response.statusCode}`)
  }

  /** The events that answer. Leaving the loop or the signal cuts the connection. @throws ShoalError as `answer` */
  async *events(what: SocketRequest): AsyncGenerator<unknown, void, void> {
    const response = await this.#send(what)
    if (response.statusCode !== 200 || response.headers['content-type'] !== NDJSON) {
      throw errorOf(await this.#whole(response)) ?? new ShoalError('INTERNAL', 'the running peer sends no events')
    }
    let rest = ''
    try {
      for await (const text of response.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = (rest + text).split('\n')
        rest = lines.pop() as string
        if (rest.length > MAX_LINE_LENGTH) throw new ShoalError('INTERNAL', 'the running peer sends an endless line')
        for (const line of lines) {
          const message = parse(line)
          const error = errorOf(message)
          if (error !== undefined) throw error
          if ((message as { type?: unknown }).type !== HEARTBEAT.type) yield message
        }
      }
    } catch (error) {
      throw this.#translate(error)
    }
  }

  /** Cuts what is under way. */
  close(): void {
    this.#closed = true
    for (const open of this.#open) open.destroy()
  }

  async #send({ method, path, body, signal }: SocketRequest): Promise<IncomingMessage> {
    if (this.#closed) throw closedHere()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request({
        socketPath: this.#socketPath,
        method,
        path,
        headers,
        agent: false,
        ...(signal === undefined ? {} : { signal })
      })
      this.#open.add(sent)
      sent.once('close', () => this.#open.delete(sent))
      sent.on('error', error => reject(this.#translate(error)))
      sent.once('response', resolve)
      sent.end(text)
    })
  }

  async #whole(response: IncomingMessage): Promise<unknown> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    try {
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        bytes += chunk.byteLength
        if (bytes > MAX_ANSWER_BYTES) throw new ShoalError('INTERNAL', 'the running peer answers without end')
        chunks.push(chunk)
      }
    } catch (error) {
      throw this.#translate(error)
    }
    return parse(Buffer.concat(chunks).toString('utf8'))
  }

  #translate(error: unknown): ShoalError {
    if (error instanceof ShoalError) return error
    if (this.#closed) return closedHere()
    const { code, message } = error as NodeJS.ErrnoException
    switch (code) {
      case 'ENOENT':
      case 'ECONNREFUSED':
        return new ShoalError('NETWORK', `no peer listens on ${this.#socketPath} any more`, { cause: error })
      case 'EACCES':
      case 'EPERM':
        return new ShoalError('PERMISSION', `cannot open ${this.#socketPath}: ${message}`, { cause: error })
      default:
        return new ShoalError('INTERRUPTED', 'the running peer was lost before it was done', { cause: error })
    }
  }
}

function closedHere(): ShoalError {
  return new ShoalError('INTERRUPTED', 'the connection to the running peer is closed')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ShoalError('INTERNAL', 'the running peer does not answer in JSON', { cause: error })
  }
}

import type { Output } from '../../../protocols/core/machine.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { type Rng, seededRng } from '../../../protocols/core/rng.ts'
import type { ExchangeConfig } from '../../../protocols/exchange/config.ts'
import { type Features, ourFeatures } from '../../../protocols/exchange/handshake.ts'
import type { Chunk, ExchangeMessage } from '../../../protocols/exchange/messages.ts'
import { Swarm } from '../../../protocols/exchange/swarm.ts'
import type { SwarmCommand, SwarmEvent } from '../../../protocols/exchange/swarm-events.ts'
import type { MemoryContent } from './memory-content.ts'

export interface NodeInit {
  content: MemoryContent
  /** Bytes per second that leave the node, to all peers together. */
  upRate?: number
  features?: Features
  config?: Partial<ExchangeConfig>
  wanted?: (piece: number) => boolean
  first?: number
  /** Takes requests and never sends. */
  isMute?: boolean
  /** Milliseconds that a write takes. */
  writeMs?: number
}

export interface WorldNode extends NodeInit {
  readonly peer: Peer
  readonly swarm: Swarm
  readonly events: { at: number; event: SwarmEvent }[]
  readonly penalised: Map<Peer, string[]>
  finishedAt: number | undefined
  uplinkFreeAt: number
  tickSetFor: number | undefined
}

type Wire = { message: ExchangeMessage; data?: Uint8Array }

/**
 * Swarm machines that are wired to one another in virtual time: a stream keeps its order, a node's uplink has a rate,
 * every pair a latency. It does what the handler does with bytes, synchronously.
 */
export class World {
  readonly nodes: WorldNode[] = []
  readonly rng: Rng
  now = 0
  /** Every message that was delivered, for tests that compare runs. */
  readonly trace: string[] = []
  readonly #links = new Map<string, number>()
  readonly #queue: { at: number; order: number; run: () => void }[] = []
  readonly #latency: [number, number]
  #order = 0

  constructor(init: { seed?: number; latency?: [number, number] } = {}) {
    this.rng = seededRng(init.seed ?? 1)
    this.#latency = init.latency ?? [5, 20]
  }

  add(init: NodeInit): WorldNode {
    const { content, config, wanted, first } = init
    const swarm = new Swarm({
      layout: content.layout,
      rng: this.rng.fork(),
      storedBlocks: piece => content.storedBlocks(piece),
      hasBlock: (piece, block) => content.hasBlock(piece, block),
      missingHashes: piece => content.missingHashes(piece),
      ...(wanted === undefined ? {} : { wanted }),
      ...(first === undefined ? {} : { first }),
      ...(config === undefined ? {} : { config })
    })
    const node: WorldNode = {
      ...init,
      peer: this.nodes.length as unknown as Peer,
      swarm,
      events: [],
      penalised: new Map(),
      finishedAt: swarm.isFinished ? 0 : undefined,
      uplinkFreeAt: 0,
      tickSetFor: undefined
    }
    this.nodes.push(node)
    return node
  }

  node(peer: Peer): WorldNode {
    return this.nodes[peer as unknown as number]!
  }

  connect(a: WorldNode, b: WorldNode): void {
    const [least, most] = this.#latency
    this.#links.set(linkOf(a.peer, b.peer), least + this.rng.below(most - least + 1))
    for (const [self, other] of [
      [a, b],
      [b, a]
    ] as const) {
      this.#give(self, { type: 'peerUp', peer: other.peer })
      this.#give(self, {
        type: 'received',
        from: other.peer,
        message: { type: 'handshake', features: other.features ?? ourFeatures }
      })
    }
  }

  connectAll(): void {
    for (const a of this.nodes) for (const b of this.nodes) if (a.peer < b.peer) this.connect(a, b)
  }

  disconnect(a: WorldNode, b: WorldNode): void {
    if (!this.#links.delete(linkOf(a.peer, b.peer))) return
    this.#give(a, { type: 'peerDown', peer: b.peer })
    this.#give(b, { type: 'peerDown', peer: a.peer })
  }

  crash(node: WorldNode): void {
    for (const other of this.nodes) if (other !== node) this.disconnect(node, other)
  }

  isConnected(a: WorldNode, b: WorldNode): boolean {
    return this.#links.has(linkOf(a.peer, b.peer))
  }

  command(node: WorldNode, input: SwarmCommand): void {
    this.#give(node, input)
  }

  /** Gives the node a message as if the other one had sent it. */
  forge(from: WorldNode, to: WorldNode, message: ExchangeMessage, data?: Uint8Array): void {
    this.#receive(from.peer, to, data === undefined ? { message } : { message, data })
  }

  /** Runs until the condition holds. Throws when it does not in time, or when nothing happens any more. */
  runUntil(condition: () => boolean, limitMs: number): void {
    const end = this.now + limitMs
    while (!condition()) {
      const next = this.#pop()
      if (next === undefined) throw new Error(`nothing more happens at ${this.now} ms`)
      if (next.at > end) throw new Error(`not done after ${limitMs} virtual ms`)
      this.now = next.at
      next.run()
    }
  }

  run(ms: number): void {
    const end = this.now + ms
    for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
      if (next.at > end) {
        this.#push(next.at, next.run)
        break
      }
      this.now = next.at
      next.run()
    }
    this.now = end
  }

  #give(node: WorldNode, input: Parameters<Swarm['handle']>[0], data?: Uint8Array): void {
    const outputs = node.swarm.handle(input, this.now)
    for (const output of outputs) this.#execute(node, output, input, data)
    const due = node.swarm.nextTick()
    if (due === undefined || due === node.tickSetFor) return
    node.tickSetFor = due
    this.#push(due, () => {
      if (node.tickSetFor !== due) return
      node.tickSetFor = undefined
      this.#give(node, { type: 'tick' })
    })
  }

  #execute(
    node: WorldNode,
    output: Output<ExchangeMessage, SwarmEvent>,
    input: Parameters<Swarm['handle']>[0],
    data: Uint8Array | undefined
  ): void {
    if (output.type === 'send') {
      this.#transmit(node, output.to, { message: output.message }, 20)
    } else if (output.type === 'penalise') {
      node.penalised.set(output.peer, [...(node.penalised.get(output.peer) ?? []), output.reason])
    } else {
      this.#onEvent(node, output.event, input, data)
    }
  }

  #onEvent(
    node: WorldNode,
    event: SwarmEvent,
    input: Parameters<Swarm['handle']>[0],
    data: Uint8Array | undefined
  ): void {
    switch (event.type) {
      case 'upload': {
        if (node.isMute) return
        const { to, piece, begin, length } = event
        const message: ExchangeMessage = { type: 'piece', piece, begin, length }
        const leftAt = this.#transmit(node, to, { message, data: node.content.bytes(piece, begin, length) }, length)
        this.#push(leftAt, () => this.#give(node, { type: 'uploaded', to, piece, begin, length, sent: true }))
        return
      }
      case 'serveHashes': {
        const { to, file, root, range } = event
        const hashes = node.content.hashesNow(file, range)
        const message: ExchangeMessage =
          hashes === undefined ? { type: 'hashReject', root, range } : { type: 'hashes', root, range, hashes }
        if (!node.isMute) this.#transmit(node, to, { message }, hashes?.byteLength ?? 20)
        this.#push(this.now, () => this.#give(node, { type: 'hashesServed', to }))
        return
      }
      case 'write': {
        const block = input as { begin: number }
        const { piece, begin, length } = event
        const part = data!.subarray(begin - block.begin, begin - block.begin + length)
        this.#push(this.now + (node.writeMs ?? 1), () => this.#write(node, event, part))
        if (part.byteLength !== length || piece < 0) throw new Error('a write beyond the block')
        return
      }
      case 'drop':
        this.#links.delete(linkOf(node.peer, event.peer))
        node.events.push({ at: this.now, event })
        this.#push(this.now + 1, () => this.#give(this.node(event.peer), { type: 'peerDown', peer: node.peer }))
        return
      case 'done':
        node.finishedAt = this.now
        node.events.push({ at: this.now, event })
        return
      default:
        node.events.push({ at: this.now, event })
    }
  }

  #write(node: WorldNode, { piece, begin, length }: Chunk, part: Uint8Array): void {
    try {
      node.content.store(piece, begin, [part])
    } catch {
      this.#give(node, { type: 'writeFailed', piece, begin, length })
      return
    }
    this.#give(node, { type: 'stored', piece, begin, length })
  }

  /** Returns when the last byte has left. */
  #transmit(from: WorldNode, to: Peer, wire: Wire, bytes: number): number {
    const start = Math.max(this.now, from.uplinkFreeAt)
    from.uplinkFreeAt = start + (bytes / (from.upRate ?? 1e9)) * 1000
    const leftAt = Math.ceil(from.uplinkFreeAt)
    const link = linkOf(from.peer, to)
    const latency = this.#links.get(link)
    if (latency !== undefined) {
      this.#push(leftAt + latency, () => {
        if (this.#links.get(link) === latency) this.#receive(from.peer, this.node(to), wire)
      })
    }
    return leftAt
  }

  #receive(from: Peer, to: WorldNode, { message, data }: Wire): void {
    this.trace.push(`${this.now} ${from}>${to.peer} ${message.type}${'piece' in message ? ` ${message.piece}` : ''}`)
    if (message.type === 'piece' && data !== undefined && to.swarm.expects(from, message)) {
      const verdict = to.content.verify(message.piece, message.begin, [data])
      const { piece, begin, length } = message
      this.#give(to, { type: 'block', from, piece, begin, length, verdict }, data)
      return
    }
    if (message.type === 'hashes') {
      const { root, range } = message
      const file = to.swarm.expectsHashes(from, root, range)
      if (file !== undefined) {
        const verdict = to.content.addHashes(file, range, message.hashes)
        this.#give(to, { type: 'hashesAdded', from, root, range, verdict })
        return
      }
    }
    this.#give(to, { type: 'received', from, message })
  }

  #push(at: number, run: () => void): void {
    const entry = { at, order: this.#order++, run }
    let i = this.#queue.length
    this.#queue.push(entry)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(entry, this.#queue[parent]!)) break
      this.#queue[i] = this.#queue[parent]!
      i = parent
    }
    this.#queue[i] = entry
  }

  #pop(): { at: number; order: number; run: () => void } | undefined {
    const first = this.#queue[0]
    const last = this.#queue.pop()
    if (first === undefined || last === undefined || this.#queue.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= this.#queue.length) break
      if (child + 1 < this.#queue.length && isBefore(this.#queue[child + 1]!, this.#queue[child]!)) child++
      if (!isBefore(this.#queue[child]!, last)) break
      this.#queue[i] = this.#queue[child]!
      i = child
    }
    this.#queue[i] = last
    return first
  }
}

function isBefore(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function linkOf(a: Peer, b: Peer): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`
}

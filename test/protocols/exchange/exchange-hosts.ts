import type { Libp2p, Stream } from '@libp2p/interface'
import { idToBytes, type SwarmId } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import {
  EXCHANGE_PROTOCOL,
  type ExchangeService,
  type ExchangeServiceInit,
  exchangeService,
  type SwarmHandle,
  type SwarmNotice
} from '../../../protocols/exchange/handler.ts'
import { encodeHandshake, HANDSHAKE_BYTES, ourFeatures } from '../../../protocols/exchange/handshake.ts'
import {
  type DecodedFrame,
  decodeFrame,
  encodeFrame,
  type FramedMessage
} from '../../../protocols/exchange/messages.ts'
import { FramedStream } from '../../../protocols/libp2p/framed-stream.ts'
import { peerFromId } from '../../../protocols/libp2p/peer-ids.ts'
import { eventually } from '../../../src/testkit/wait.ts'
import { startTestHost } from '../../libp2p/hosts.ts'
import { type MemoryContent, sha256 } from './memory-content.ts'

export const SWARM = 'ab'.repeat(32) as SwarmId

export interface Penalty {
  peer: Peer
  reason: string
  kind: 'rule' | 'content'
}

/** A host with the exchange, and what it said. */
export class ExchangeNode {
  readonly host: Libp2p<{ exchange: ExchangeService }>
  readonly penalties: Penalty[]
  readonly notices: SwarmNotice[] = []
  content: MemoryContent | undefined

  private constructor(host: Libp2p<{ exchange: ExchangeService }>, penalties: Penalty[]) {
    this.host = host
    this.penalties = penalties
  }

  static async start(init: Partial<ExchangeServiceInit> = {}): Promise<ExchangeNode> {
    const penalties: Penalty[] = []
    const host = await startTestHost({
      exchange: exchangeService({
        onWanted: async () => undefined,
        onPenalty: (peer, reason, kind) => penalties.push({ peer, reason, kind }),
        sha256,
        rng: seededRng(1),
        ...init
      })
    })
    return new ExchangeNode(host, penalties)
  }

  get peer(): Peer {
    return peerFromId(this.host.peerId)
  }

  get exchange(): ExchangeService {
    return this.host.services.exchange
  }

  open(
    content: MemoryContent,
    init: { swarm?: SwarmId; onEvent?: (notice: SwarmNotice, handle: () => SwarmHandle) => void } = {}
  ): SwarmHandle {
    this.content = content
    const handle = this.exchange.open({
      swarm: init.swarm ?? SWARM,
      content,
      onEvent: notice => {
        this.notices.push(notice)
        init.onEvent?.(notice, () => handle)
      }
    })
    return handle
  }

  heard<T extends SwarmNotice['type']>(type: T): (SwarmNotice & { type: T })[] {
    return this.notices.filter((notice): notice is SwarmNotice & { type: T } => notice.type === type)
  }

  /** Streams of the exchange that are open, of all connections. */
  get streams(): Stream[] {
    return this.host
      .getConnections()
      .flatMap(({ streams }) => streams)
      .filter(({ protocol }) => protocol === EXCHANGE_PROTOCOL)
  }

  /** Returns when both sides have the connection and know each other's protocols. */
  async dial(other: ExchangeNode): Promise<void> {
    await this.host.dial(other.host.getMultiaddrs())
    for (const [node, id] of [
      [this, other.host.peerId],
      [other, this.host.peerId]
    ] as const) {
      await eventually('the peers are identified', async () => {
        const isConnected = node.host.getConnections(id).length > 0
        return isConnected && (await node.host.peerStore.get(id)).protocols.includes(EXCHANGE_PROTOCOL)
      })
    }
  }
}

/** A peer that is written by hand: it says what a test makes it say. */
export class HandMadePeer {
  readonly host: Libp2p
  readonly framed: FramedStream
  readonly received: DecodedFrame[] = []
  ended = false

  constructor(host: Libp2p, stream: Stream) {
    this.host = host
    this.framed = new FramedStream(stream, { maxFrameBytes: 2 ** 21 })
  }

  static async dial(to: ExchangeNode): Promise<HandMadePeer> {
    const host = await startTestHost({})
    return new HandMadePeer(host, await host.dialProtocol(to.host.getMultiaddrs(), EXCHANGE_PROTOCOL))
  }

  get peer(): Peer {
    return peerFromId(this.host.peerId)
  }

  /** Sends a handshake, waits for the answer, and collects messages from then on. @throws when it is refused */
  async shakeHands(swarm = SWARM): Promise<void> {
    const peerId = new Uint8Array(20)
    this.framed.writeRaw(encodeHandshake({ swarm: idToBytes(swarm).subarray(0, 20), peerId, features: ourFeatures }))
    await this.framed.readRaw(HANDSHAKE_BYTES)
    this.framed.receive(
      frame => this.received.push(decodeFrame(frame)),
      () => {
        this.ended = true
      }
    )
    this.framed.resume()
  }

  say(message: FramedMessage): void {
    this.framed.write(encodeFrame(message))
  }

  has(type: DecodedFrame['message']['type']): boolean {
    return this.received.some(({ message }) => message.type === type)
  }
}

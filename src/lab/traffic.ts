import type { ByteReader } from '../../protocols/core/byte-reader.ts'
import type { ByteWriter } from '../../protocols/core/byte-writer.ts'
import type { Peer, PeerCodec } from '../../protocols/core/peer.ts'
import type { Observation } from '../simulator/index.ts'

/** A peer id as text of an Ed25519 key, and the length of a record. */
const ID_BYTES = 38

/** Peers as they are on the network: an id and a signed record of so many bytes, of which only the length matters here. */
export function sizedPeers(recordBytes: number): PeerCodec {
  const padding = new Uint8Array(ID_BYTES + 2 + recordBytes)
  return {
    write(writer: ByteWriter, peer: Peer) {
      writer.u32(peer as number).bytes(padding)
    },
    read(reader: ByteReader) {
      const peer = reader.u32() as Peer
      reader.bytes(padding.length)
      return peer
    }
  }
}

interface Encoder {
  encode(message: unknown): Uint8Array
}

/** Counts what is received while it is on: bytes and messages, of each peer what came in and went out. */
export class Traffic {
  isOn = false
  bytes = 0
  messages = 0
  /** In and out, by peer. */
  readonly ofPeer: number[] = []
  readonly byType = new Map<string, { messages: number; bytes: number }>()
  readonly #codecs: ReadonlyMap<string, Encoder>

  /** @param codecs by channel; others are not counted */
  constructor(codecs: Readonly<Record<string, { encode(message: never): Uint8Array }>>) {
    this.#codecs = new Map(Object.entries(codecs) as [string, Encoder][])
  }

  readonly observe = ({ channel, kind, peer, other, what }: Observation): void => {
    const codec = this.isOn && kind === 'received' ? this.#codecs.get(channel) : undefined
    if (codec === undefined) return
    const bytes = codec.encode(what).byteLength
    this.bytes += bytes
    this.messages++
    for (const end of [peer, other] as number[]) this.ofPeer[end] = (this.ofPeer[end] ?? 0) + bytes
    const type = `${channel} ${(what as { type: string }).type}`
    const sum = this.byType.get(type) ?? { messages: 0, bytes: 0 }
    sum.messages++
    sum.bytes += bytes
    this.byType.set(type, sum)
  }

  reset(): void {
    this.bytes = 0
    this.messages = 0
    this.ofPeer.length = 0
    this.byType.clear()
  }
}

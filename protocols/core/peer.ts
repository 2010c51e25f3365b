import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

declare const brand: unique symbol

/**
 * Who a machine talks to. An opaque key: machines compare peers with `===`, put them into Maps and Sets, and do
 * nothing else with them. On the network it is the libp2p peer id as text; in the simulator a small integer.
 */
export type Peer = (string | number) & { readonly [brand]: 'Peer' }

/**
 * How a peer is written inside a message. The network's codec also carries the peer's signed addresses, so that whoever
 * reads the name can dial it; machines know nothing of that.
 */
export interface PeerCodec {
  write(writer: ByteWriter, peer: Peer): void
  /** @throws DecodeError */
  read(reader: ByteReader): Peer
}

/** Peers of the simulator: an index, four bytes on the wire. */
export const indexPeers: PeerCodec = {
  write(writer, peer) {
    writer.u32(peer as number)
  },
  read(reader) {
    return reader.u32() as Peer
  }
}

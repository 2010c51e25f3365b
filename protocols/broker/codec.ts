import { ByteReader } from '../core/byte-reader.ts'
import { ByteWriter } from '../core/byte-writer.ts'
import { type Codec, DecodeError } from '../core/codec.ts'
import { idToBytes } from '../core/ids.ts'
import type { PeerCodec } from '../core/peer.ts'
import type { Problem } from './commands.ts'
import { brokerLimits } from './config.ts'
import { Fields, readFlag, readInfohash, readOffer, readOneOf, writeList, writeOffer } from './fields.ts'
import { type BrokerMessage, ORDER_OUTCOMES, PLACE_OUTCOMES } from './messages.ts'

const TYPES = [
  'order',
  'ordered',
  'shown',
  'newer',
  'offer',
  'room',
  'offers',
  'place',
  'placed',
  'leases',
  'still',
  'report',
  'lacking',
  'release',
  'ask',
  'status',
  'recover',
  'orders'
] as const

const PROBLEMS: readonly (Problem | undefined)[] = [undefined, 'noHosts', 'noRoom', 'unfetchable']

const { maxBatch, maxShown, maxSources, maxOffers, maxLeases } = brokerLimits

/** One byte of type, then the fields in the order of the README. */
export function brokerCodec(peers: PeerCodec): Codec<BrokerMessage> {
  const fields = new Fields(peers)
  return {
    encode(message) {
      const writer = new ByteWriter().u8(TYPES.indexOf(message.type))
      write(writer, message, fields)
      return writer.finish()
    },
    decode(bytes) {
      const reader = new ByteReader(bytes)
      const message = read(reader, fields)
      reader.end()
      return message
    }
  }
}

function write(to: ByteWriter, message: BrokerMessage, fields: Fields): void {
  switch (message.type) {
    case 'order':
      fields.writeOrder(to, message.order)
      fields.writePeers(to, message.brokers)
      return
    case 'ordered':
      fields.writeItem(to, message)
      to.u53(message.seq).u8(ORDER_OUTCOMES.indexOf(message.outcome))
      return
    case 'shown':
      fields.writeItem(to, message)
      writeList(to, message.leases, maxShown, (writer, lease) => fields.writeLease(writer, lease))
      return
    case 'newer':
      fields.writeOrder(to, message.order)
      return
    case 'offer':
      writeOffer(to, message.offer)
      return
    case 'room':
      to.u53(message.size)
      return
    case 'offers':
      writeList(to, message.offers, maxOffers, (writer, { host, offer }) => {
        fields.peers.write(writer, host)
        writeOffer(writer, offer)
      })
      return
    case 'place':
      fields.writeOrder(to, message.order)
      to.u53(message.usedBytes)
      fields.writePeers(to, message.brokers)
      writeList(to, message.sources, maxSources, (writer, lease) => fields.writeLease(writer, lease))
      return
    case 'placed':
      fields.writeItem(to, message)
      to.u53(message.seq).u8(PLACE_OUTCOMES.indexOf(message.outcome))
      writeOffer(to, message.offer)
      to.u8(Number(message.lease !== undefined))
      if (message.lease !== undefined) fields.writeOwnLease(to, message.lease)
      return
    case 'leases':
      to.u32(message.report).u8(Number(message.total !== undefined))
      if (message.total !== undefined) to.u32(message.total)
      writeList(to, message.leases, maxBatch, (writer, lease) => fields.writeOwnLease(writer, lease))
      writeList(to, message.gone, maxBatch, (writer, item) => fields.writeItem(writer, item))
      return
    case 'still':
      to.u32(message.digest.count).u32(message.digest.sum)
      return
    case 'report':
      to.u32(message.id)
      return
    case 'lacking':
      writeList(to, message.items, maxBatch, (writer, item) => fields.writeItem(writer, item))
      return
    case 'release':
      fields.writeOrder(to, message.order)
      writeList(to, message.others, maxShown, (writer, lease) => fields.writeLease(writer, lease))
      return
    case 'ask':
      to.u8(Number(message.infohash !== undefined))
      if (message.infohash !== undefined) to.bytes(idToBytes(message.infohash))
      return
    case 'status':
      to.bytes(idToBytes(message.infohash)).u53(message.seq).u8(message.wanted).u8(Number(message.isCrowded))
      to.u8(PROBLEMS.indexOf(message.problem)).u53(message.missingBytes)
      writeList(to, message.hosts, maxLeases, (writer, host) => fields.writeHost(writer, host))
      return
    case 'orders':
      to.u8(Number(message.isLast))
      writeList(to, message.orders, maxBatch, (writer, order) => fields.writeOrder(writer, order))
      return
    case 'recover':
      return
  }
}

function read(from: ByteReader, fields: Fields): BrokerMessage {
  const type = TYPES[from.u8()]
  switch (type) {
    case 'order':
      return { type, order: fields.readOrder(from), brokers: fields.readPeers(from) }
    case 'ordered':
      return {
        type,
        ...fields.readItem(from),
        seq: from.u53(),
        outcome: readOneOf(from, ORDER_OUTCOMES, 'outcome')
      }
    case 'shown':
      return {
        type,
        ...fields.readItem(from),
        leases: from.list(maxShown, () => fields.readLease(from))
      }
    case 'newer':
      return { type, order: fields.readOrder(from) }
    case 'offer':
      return { type, offer: readOffer(from) }
    case 'room':
      return { type, size: from.u53() }
    case 'offers':
      return {
        type,
        offers: from.list(maxOffers, () => ({
          host: fields.peers.read(from),
          offer: readOffer(from)
        }))
      }
    case 'place':
      return {
        type,
        order: fields.readOrder(from),
        usedBytes: from.u53(),
        brokers: fields.readPeers(from),
        sources: from.list(maxSources, () => fields.readLease(from))
      }
    case 'placed': {
      const item = fields.readItem(from)
      const seq = from.u53()
      const placed = { type, ...item, seq, outcome: readOneOf(from, PLACE_OUTCOMES, 'outcome'), offer: readOffer(from) }
      return readFlag(from) ? { ...placed, lease: fields.readOwnLease(from) } : placed
    }
    case 'leases': {
      const report = from.u32()
      const total = readFlag(from) ? from.u32() : undefined
      const leases = from.list(maxBatch, () => fields.readOwnLease(from))
      const gone = from.list(maxBatch, () => fields.readItem(from))
      return total === undefined ? { type, report, leases, gone } : { type, report, total, leases, gone }
    }
    case 'still':
      return { type, digest: { count: from.u32(), sum: from.u32() } }
    case 'report':
      return { type, id: from.u32() }
    case 'lacking':
      return { type, items: from.list(maxBatch, () => fields.readItem(from)) }
    case 'release':
      return { type, order: fields.readOrder(from), others: from.list(maxShown, () => fields.readLease(from)) }
    case 'ask':
      return readFlag(from) ? { type, infohash: readInfohash(from) } : { type }
    case 'status': {
      const status = {
        type,
        infohash: readInfohash(from),
        seq: from.u53(),
        wanted: from.u8(),
        isCrowded: readFlag(from)
      }
      const problem = readOneOf(
        from,
        PROBLEMS.map(value => ({ value })),
        'problem'
      ).value
      const rest = { missingBytes: from.u53(), hosts: from.list(maxLeases, () => fields.readHost(from)) }
      return problem === undefined ? { ...status, ...rest } : { ...status, problem, ...rest }
    }
    case 'recover':
      return { type }
    case 'orders': {
      const isLast = readFlag(from)
      return { type, isLast, orders: from.list(maxBatch, () => fields.readOrder(from)) }
    }
    default:
      throw new DecodeError('a message of unknown type')
  }
}

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from 'node:crypto'
import type { PrivateKey, Startable } from '@libp2p/interface'
import { BoundedMap } from '../core/bounded-map.ts'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverStats, monotonicMs } from '../libp2p/driver.ts'
import { idFromPeer, peerFromId } from '../libp2p/peer-ids.ts'
import { RingIds } from '../libp2p/ring-ids.ts'
import type { DirectoryCommand, DirectoryEvent } from './commands.ts'
import { type DirectoryConfig, directoryConfig } from './config.ts'
import { Directory } from './directory.ts'
import type { Crypto } from './entry.ts'
import { type DirectoryMessage, directoryCodec } from './messages.ts'
import type { Arc } from './place.ts'
import type { RecordStore, Usage } from './record-store.ts'

export const DIRECTORY_PROTOCOL = '/shoal/directory/1.0.0'

/** How much later than the machine itself a hand-over is given up: it ends by a tick, and that may be late. */
const LATE_MS = 500

export interface DirectoryComponents extends DriverComponents {
  privateKey: PrivateKey
}

export interface DirectoryServiceInit {
  contacts: ContactBook
  rng: Rng
  records: RecordStore
  config?: Partial<DirectoryConfig>
  /** Shared with the ring, so that each id is computed once. */
  ids?: RingIds
  onEvent(event: DirectoryEvent): void
  onPenalty(peer: Peer, reason: string): void
}

/** The directory as a libp2p service. Where keys lie is told it by command. */
export class DirectoryService implements Startable {
  readonly [Symbol.toStringTag] = '@shoal/directory'
  readonly #machine: Directory
  readonly #driver: Driver<DirectoryCommand, DirectoryMessage, DirectoryEvent>
  readonly #leaveMs: number
  #onLeft: (() => void) | undefined

  /** @throws RangeError on a configuration whose numbers do not fit together, or a node without an Ed25519 key */
  constructor(components: DirectoryComponents, init: DirectoryServiceInit) {
    const { contacts, rng, records, config, ids = new RingIds(), onEvent, onPenalty } = init
    this.#leaveMs = config?.leaveMs ?? directoryConfig.leaveMs
    this.#machine = new Directory({
      self: peerFromId(components.peerId),
      rng,
      idOf: ids.idOf,
      records,
      crypto: directoryCrypto(components.privateKey),
      // the clock of the machine is asked each time: people and NTP set it
      wallMs: now => Date.now() - (monotonicMs() - now),
      ...(config === undefined ? {} : { config })
    })
    this.#driver = new Driver(components, {
      protocol: DIRECTORY_PROTOCOL,
      machine: this.#machine,
      codec: directoryCodec(contactPeers(contacts)),
      contacts,
      onEvent: event => {
        if (event.type === 'left') this.#onLeft?.()
        else onEvent(event)
      },
      onPenalty
    })
  }

  get stats(): Readonly<DriverStats> {
    return this.#driver.stats
  }

  /** What this node keeps for others. */
  get usage(): Usage {
    return this.#machine.usage
  }

  /** The keys that this node owns, while it knows. */
  get arc(): Arc | undefined {
    return this.#machine.arc
  }

  /** Whether a lookup of the key that comes by here may be answered in its owner's place. */
  hasCached(key: RingId): boolean {
    return this.#machine.hasCached(key, monotonicMs())
  }

  /** Ignored before the start and after the stop. */
  command(command: DirectoryCommand): void {
    this.#driver.command(command)
  }

  /** Gives the next holders what they lack, at most for `leaveMs`. For as long as the ring still knows this node. */
  async leave(): Promise<void> {
    await new Promise<void>(resolve => {
      const late = setTimeout(resolve, this.#leaveMs + LATE_MS)
      this.#onLeft = () => {
        clearTimeout(late)
        resolve()
      }
      this.#driver.command({ type: 'leave' })
    })
    this.#onLeft = undefined
  }

  start(): Promise<void> {
    return this.#driver.start()
  }

  stop(): Promise<void> {
    return this.#driver.stop()
  }
}

export function directoryService(init: DirectoryServiceInit): (components: DirectoryComponents) => DirectoryService {
  return components => new DirectoryService(components, init)
}

/** Publishers whose keys are kept ready, so that they are not unpacked for each signature. */
const MAX_KEYS = 2_048
/** What comes before the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410, section 10). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Signs with the node's own key; checks others by the key that their peer id is made of, so that nobody has to be asked.
 *
 * @throws RangeError when the key is of another type
 */
export function directoryCrypto(privateKey: PrivateKey): Crypto {
  if (privateKey.type !== 'Ed25519') throw new RangeError(`a key of type ${privateKey.type} signs no entries`)
  const own = createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, privateKey.raw.subarray(0, 32)]),
    format: 'der',
    type: 'pkcs8'
  })
  const known = new BoundedMap<Peer, KeyObject | undefined>(MAX_KEYS)
  const keyOf = (peer: Peer): KeyObject | undefined => {
    const key = known.has(peer) ? known.get(peer) : publicKeyOf(peer)
    // who publishes much stays
    known.set(peer, key)
    return key
  }
  return {
    sha256: bytes => createHash('sha256').update(bytes).digest(),
    sign: bytes => signBytes(null, bytes, own),
    verify(publisher, bytes, signature) {
      const key = keyOf(publisher)
      return key !== undefined && verifyBytes(null, bytes, key, signature)
    }
  }
}

/** Undefined for peers whose id is only a hash of their key (RSA), and for bytes that are no point on the curve. */
function publicKeyOf(peer: Peer): KeyObject | undefined {
  try {
    const { publicKey } = idFromPeer(peer)
    if (publicKey?.type !== 'Ed25519') return undefined
    return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey.raw]), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

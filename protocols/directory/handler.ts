import type { PrivateKey, Startable } from '@libp2p/interface'
import type { RingId } from '../core/keyspace.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { type ContactBook, contactPeers } from '../libp2p/contacts.ts'
import { Driver, type DriverComponents, type DriverStats, monotonicMs } from '../libp2p/driver.ts'
import { peerCrypto } from '../libp2p/peer-crypto.ts'
import { peerFromId } from '../libp2p/peer-ids.ts'
import { RingIds } from '../libp2p/ring-ids.ts'
import type { DirectoryCommand, DirectoryEvent } from './commands.ts'
import { type DirectoryConfig, directoryConfig } from './config.ts'
import { Directory } from './directory.ts'
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
      crypto: peerCrypto(components.privateKey),
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

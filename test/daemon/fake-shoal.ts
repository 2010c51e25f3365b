import type {
  CopiesOptions,
  DirectoryAnswer,
  DirectoryDraft,
  DirectoryGetOptions,
  DirectoryPut,
  ForgetOptions,
  Forgotten,
  GetEvent,
  GetOptions,
  Listing,
  LsOptions,
  PeerStatus,
  Placement,
  PutEvent,
  PutOptions,
  RingStatus,
  SearchEvent,
  SearchOptions,
  Share,
  ShareEvent,
  ShareOptions,
  Shoal,
  Status,
  TorrentFile,
  TransferStatus,
  Watch,
  WatchEvent,
  WatchOptions
} from '../../src/api.ts'
import { ShoalError } from '../../src/errors.ts'
import { EventStream } from '../../src/event-stream.ts'

export const ID = 'ab'.repeat(32)
export const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
export const OTHER = '12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p'

export const STATUS: Status = {
  version: '0.1.0',
  peerId: PEER,
  pid: 4711,
  home: '/home/u/.local/share/shoal',
  startedAt: 0,
  addresses: [`/ip4/192.168.1.5/tcp/4001/p2p/${PEER}`],
  privateGroup: false,
  discovery: [{ name: 'eth0', working: true }],
  peers: { connected: 3, known: 12, neighbours: 2 },
  ring: { nodes: 5, entries: 7 },
  shared: { files: 3, bytes: 3_500_000, hashing: 0 },
  transfers: { active: 1, paused: 0, failed: 0 },
  rates: { down: 1_000_000, up: 0 },
  totals: { down: 5_000_000, up: 20 },
  problems: []
}

export const SHARE: Share = {
  path: '/data/films',
  name: 'films',
  files: 2,
  bytes: 3_500_000,
  infohash: ID,
  magnet: `magnet:?xt=urn:btmh:1220${ID}&dn=films`,
  addedAt: 0,
  skipped: 1,
  entries: [
    { path: 'films/a.mkv', size: 3_000_000, id: ID },
    { path: 'films/b.srt', size: 500_000, id: ID }
  ]
}

export function transfer(change: Partial<TransferStatus> = {}): TransferStatus {
  return {
    id: ID,
    name: 'a.mkv',
    path: '/out/a.mkv',
    state: 'fetching',
    size: 3_000_000,
    bytesDone: 1_500_000,
    rate: 1_000_000,
    etaMs: 1_500,
    sources: [{ peerId: OTHER, bytes: 1_500_000, rate: 1_000_000 }],
    ...change
  }
}

export const DONE: GetEvent = {
  type: 'done',
  transfer: transfer({
    state: 'done',
    bytesDone: 3_000_000,
    sources: [
      { peerId: OTHER, bytes: 2_000_000, rate: 0 },
      { peerId: PEER, bytes: 1_000_000, rate: 0 }
    ]
  }),
  bytesFetched: 3_000_000,
  bytesWasted: 0,
  elapsedMs: 3_000
}

export const WATCH: Watch = {
  number: 3,
  query: 'debian type:iso',
  everyMs: 300_000,
  get: true,
  out: '/isos',
  maxBytes: 10_000_000_000,
  addedAt: 0,
  files: { found: 2, fetched: 1, waiting: 1 },
  bytes: 3_000_000,
  latest: [
    { id: ID, name: 'films/debian.iso', size: 3_000_000, foundAt: 0, state: 'fetched', path: '/isos/debian.iso' },
    { id: ID, name: 'other.iso', size: 500_000, foundAt: 0, state: 'waiting', problem: 'nobody sends it' }
  ]
}

export const RING: RingStatus = {
  id: `4${'0'.repeat(63)}`,
  predecessor: { peerId: OTHER, id: `3${'0'.repeat(63)}` },
  successors: [{ peerId: OTHER, id: `6${'0'.repeat(63)}` }],
  fingers: [],
  share: 0.0625,
  nodes: 2,
  kept: { entries: 12, bytes: 3_400 },
  published: 3,
  settled: true
}

export const ANSWER: DirectoryAnswer = {
  key: ID,
  entries: [
    { kind: 'member', publisher: OTHER, publishedAt: 0, expiresAt: 60_000, payload: 'AAE=', items: ['c2Vh', 'aWNl'] }
  ],
  total: 1,
  isComplete: true
}

export const PLACEMENT: Placement = {
  infohash: ID,
  name: 'films',
  size: 3_500_000,
  wanted: 3,
  held: 2,
  hosts: [
    { peerId: OTHER, domain: 'rack 1', state: 'held', sinceAt: 0, heardMs: 12_000 },
    { peerId: PEER, domain: 'rack 2', state: 'held', sinceAt: 0, heardMs: 12_000 },
    { peerId: OTHER, domain: 'rack 1', state: 'fetching', sinceAt: 0, heardMs: 0 }
  ],
  broker: PEER,
  isHere: true,
  isCrowded: false
}

/** A peer that does what a test tells it, and remembers what it was asked. */
export class FakeShoal implements Shoal {
  readonly asked: unknown[][] = []
  /** Streams that were ended by whoever read them. */
  stopped = 0
  closed = 0
  current: Status = structuredClone(STATUS)
  peerList: PeerStatus[] = []
  shareList: Share[] = [SHARE]
  transferList: TransferStatus[] = []
  listing: Listing = { name: 'films', infohash: ID, size: 3_500_000, files: SHARE.entries ?? [], magnet: SHARE.magnet }
  /** Events of the next streams; without an end the stream stays open. */
  shareEvents: ShareEvent[] = [{ type: 'shared', share: SHARE }]
  searchEvents: SearchEvent[] = []
  getEvents: GetEvent[] = [DONE]
  putEvents: PutEvent[] = [
    { type: 'shared', share: SHARE },
    { type: 'placement', placement: PLACEMENT },
    { type: 'done', placement: { ...PLACEMENT, held: 3, hosts: PLACEMENT.hosts.slice(0, 2) } }
  ]
  placements: Placement[] = [PLACEMENT]
  watchList: Watch[] = [WATCH]
  watchFound: WatchEvent[] = []
  endless = false
  ringStatus: RingStatus = RING
  answer: DirectoryAnswer = ANSWER
  failure: ShoalError | undefined
  readonly #streams: { fail(error: unknown): void }[] = []

  async status(): Promise<Status> {
    this.#ask('status')
    return structuredClone(this.current)
  }

  async peers(): Promise<PeerStatus[]> {
    this.#ask('peers')
    return this.peerList
  }

  async ring(): Promise<RingStatus> {
    this.#ask('ring')
    return this.ringStatus
  }

  async directoryGet(key: string, { signal: _, ...options }: DirectoryGetOptions = {}): Promise<DirectoryAnswer> {
    this.#ask('directoryGet', key, options)
    return this.answer
  }

  async directoryPut(entry: DirectoryDraft): Promise<DirectoryPut> {
    this.#ask('directoryPut', entry)
    return { key: ID, copies: 4 }
  }

  async directoryAppend(key: string, items: string[]): Promise<DirectoryPut> {
    this.#ask('directoryAppend', key, items)
    return { key: ID, copies: 4 }
  }

  async directoryRemove(key: string, items?: string[]): Promise<string> {
    this.#ask('directoryRemove', key, items)
    return ID
  }

  put(path: string, { signal, ...options }: PutOptions = {}): AsyncIterable<PutEvent> {
    return this.#stream(['put', path, options], this.putEvents, signal)
  }

  async copies(options: CopiesOptions = {}): Promise<Placement[]> {
    this.#ask('copies', options)
    return this.placements
  }

  async drop(named: string): Promise<Placement> {
    this.#ask('drop', named)
    return PLACEMENT
  }

  async shares(): Promise<Share[]> {
    this.#ask('shares')
    return this.shareList
  }

  async transfers(): Promise<TransferStatus[]> {
    this.#ask('transfers')
    return this.transferList
  }

  async ls(target: string, { signal }: LsOptions = {}): Promise<Listing> {
    this.#ask('ls', target)
    if (this.endless) {
      await new Promise(resolve => signal?.addEventListener('abort', resolve, { once: true }))
      this.stopped++
    }
    return this.listing
  }

  async forget(transfer: string, options: ForgetOptions = {}): Promise<Forgotten> {
    this.#ask('forget', transfer, options)
    const [deleted, kept] = options.delete === true ? [['/out/a.part'], []] : [[], ['/out/a.part']]
    return { id: ID, name: transfer, deleted, kept }
  }

  async torrent(share: string): Promise<TorrentFile> {
    this.#ask('torrent', share)
    return { name: 'films', infohash: ID, torrent: Buffer.from('d4:infodee').toString('base64') }
  }

  async unshare(paths: string[]): Promise<string[]> {
    this.#ask('unshare', paths)
    return paths
  }

  share(paths: string[], { signal, ...options }: ShareOptions = {}): AsyncIterable<ShareEvent> {
    return this.#stream(['share', paths, options], this.shareEvents, signal)
  }

  search(query: string, { signal, ...options }: SearchOptions = {}): AsyncIterable<SearchEvent> {
    return this.#stream(['search', query, options], this.searchEvents, signal)
  }

  get(target: string, { signal, ...options }: GetOptions = {}): AsyncIterable<GetEvent> {
    return this.#stream(['get', target, options], this.getEvents, signal)
  }

  async watch(query: string, options?: WatchOptions): Promise<Watch> {
    this.#ask('watch', query, options)
    return WATCH
  }

  async unwatch(number: number): Promise<Watch> {
    this.#ask('unwatch', number)
    return WATCH
  }

  async watches(): Promise<Watch[]> {
    this.#ask('watches')
    return this.watchList
  }

  watchEvents({ signal }: { signal?: AbortSignal } = {}): AsyncIterable<WatchEvent> {
    return this.#stream(['watchEvents'], this.watchFound, signal)
  }

  async close(): Promise<void> {
    this.closed++
    for (const stream of this.#streams) stream.fail(new ShoalError('INTERRUPTED', 'the node stops'))
  }

  #ask(...what: unknown[]): void {
    this.asked.push(what)
    if (this.failure !== undefined) throw this.failure
  }

  #stream<T>(asked: unknown[], events: T[], signal: AbortSignal | undefined): EventStream<T> {
    this.asked.push(asked)
    const stream = new EventStream<T>({
      onStop: () => {
        this.stopped++
      },
      ...(signal === undefined ? {} : { signal })
    })
    for (const event of events) stream.push(event)
    if (this.failure !== undefined) stream.fail(this.failure)
    else if (!this.endless) stream.end()
    this.#streams.push(stream)
    return stream
  }
}

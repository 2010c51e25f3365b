import type { ShoalDirectory } from './directory/api.ts'
import type { HostingStatus, ShoalHosting } from './hosting/api.ts'

export { matches, type ParsedQuery, parseQuery, QueryError, relevance } from '../protocols/search/index.ts'
export type * from './directory/api.ts'
export type * from './hosting/api.ts'

/**
 * What a program can ask of a peer. The running node implements it (`src/node.ts`), and so does the client of the local
 * socket (`src/daemon/client.ts`): a command does not know which of the two it talks to. Everything here is plain data
 * that survives JSON. Sizes and rates are bytes and bytes per second, durations milliseconds, times milliseconds since
 * the epoch. All methods reject with ShoalError.
 */
export interface Shoal extends ShoalDirectory, ShoalHosting {
  status(): Promise<Status>
  peers(): Promise<PeerStatus[]>

  /** Shares files and folders and follows them from now on. Ends when all are hashed; sharing them again rescans. */
  share(paths: string[], options?: ShareOptions): AsyncIterable<ShareEvent>
  /** Stops sharing. The files stay where they are. Returns the paths that were shared. */
  unshare(paths: string[]): Promise<string[]>
  /** Exactly what strangers can see. */
  shares(): Promise<Share[]>
  /** The standard `.torrent` (BitTorrent v2) of a share, named by its path, name or infohash. This node is its tracker. */
  torrent(share: string): Promise<TorrentFile>

  /**
   * Finds files by a query of the language in `protocols/search`; it can be read and applied elsewhere with `parseQuery`
   * and `matches`. Hits stream in as they are found, unless they are held back to be put in order; the last event is
   * `done`. Ending the iteration ends the search.
   */
  search(query: string, options?: SearchOptions): AsyncIterable<SearchEvent>

  /**
   * Fetches a target: a result number of the last search, a file id or infohash, a magnet link, or the path of a
   * `.torrent` file. The last event is `done`. Ending the iteration pauses the transfer; asking again resumes it.
   */
  get(target: string, options?: GetOptions): AsyncIterable<GetEvent>
  /** What a target contains, without fetching it. */
  ls(target: string, options?: LsOptions): Promise<Listing>
  /** Transfers under way, and those that were begun and do not run: paused, or failed. */
  transfers(): Promise<TransferStatus[]>
  /**
   * Drops a transfer, named by its id, the beginning of it, or its name; one that runs is stopped first. Whole files stay,
   * and unfinished ones too unless `delete` says otherwise.
   */
  forget(transfer: string, options?: ForgetOptions): Promise<Forgotten>

  /**
   * Saves a search that is run again and again while a peer runs for this home directory (`shoal up`), also after a
   * restart. The same query again changes the options that are given.
   */
  watch(query: string, options?: WatchOptions): Promise<Watch>
  /** Forgets a watch by its number. What it fetched stays. Returns it as it was. */
  unwatch(number: number): Promise<Watch>
  watches(): Promise<Watch[]>
  /** What all watches find and fetch from now on, without an end. They run while this is read, whatever peer it is. */
  watchEvents(options?: { signal?: AbortSignal }): AsyncIterable<WatchEvent>

  /** Stops the node, or only this client's connection to it. */
  close(): Promise<void>
}

export interface Status {
  version: string
  peerId: string
  pid: number
  home: string
  startedAt: number
  addresses: string[]
  /** Whether a group key keeps strangers out. */
  privateGroup: boolean
  /** Network interfaces on which peers are looked for. */
  discovery: { name: string; working: boolean; problem?: string }[]
  peers: { connected: number; known: number; neighbours: number }
  /** Absent when it is offline. `nodes`: about how many are on the ring, with this one. `entries`: kept for all. */
  ring?: { nodes: number; entries: number }
  /** Absent when it is offline. */
  superPeer?: SuperPeerStatus
  /** What it keeps for others. Absent when it is offline, or never did. */
  hosting?: HostingStatus
  shared: { files: number; bytes: number; hashing: number }
  transfers: { active: number; paused: number; failed: number }
  rates: { down: number; up: number }
  totals: { down: number; up: number }
  /** Things that need the user's attention, with what to do about each. */
  problems: { code: string; message: string; next: string }[]
}

export interface SuperPeerStatus {
  /** Whether it answers for weaker peers. */
  role: 'peer' | 'super'
  /** Why, as a sentence. */
  reason: string
  /** Peer ids of the super-peers that know what it shares and search for it. */
  supers: string[]
  /** Peers that it answers for, and how many of their files it knows. */
  clients: number
  indexed: number
}

export interface PeerStatus {
  peerId: string
  address: string
  direction: 'inbound' | 'outbound'
  /** How this node came to know the peer. */
  foundBy: 'mdns' | 'remembered' | 'given' | 'overlay' | 'dialled us'
  neighbour: boolean
  /** super: it searches for this peer. client: this peer searches for it. Absent otherwise. */
  role?: 'super' | 'client'
  /** Milliseconds since the connection was opened. */
  connectedForMs: number
  down: number
  up: number
  /** Why the peer is distrusted; absent for a good one. */
  penalties?: { reason: string; count: number }[]
}

export interface ShareOptions {
  /** Share hidden files and well-known secrets too. */
  hidden?: boolean
  signal?: AbortSignal
}

export type ShareEvent =
  | { type: 'scanned'; path: string; files: number; bytes: number; skipped: number }
  | { type: 'hashing'; path: string; filesDone: number; files: number; bytesDone: number; bytes: number; rate: number }
  /** A file could not be shared; the others are. */
  | { type: 'problem'; path: string; code: string; message: string }
  | { type: 'shared'; share: Share }

export interface Share {
  /** Absolute path of the file or folder that was shared. */
  path: string
  /** The last part of the path: strangers see this, never the rest. */
  name: string
  files: number
  bytes: number
  infohash: string
  magnet: string
  addedAt: number
  /** What is not shared because it is hidden, secret or ignored. */
  skipped: number
  entries?: SharedFile[]
}

export interface TorrentFile {
  /** Of the file or folder. */
  name: string
  infohash: string
  /** The bytes of the file, in base64. */
  torrent: string
}

export interface SharedFile {
  /** Path below the share, with `/`; begins with the share's name. */
  path: string
  size: number
  id: string
}

export interface SearchOptions {
  /** A search ends when every peer that it reached has answered, or after this time; default 5 s, at most 60 s. */
  timeoutMs?: number
  /** Most results: the best of all, so they are told of at the end. */
  limit?: number
  /** Tells of all results at the end, in this order. `best`: by how well the name fits, and by the number of holders. */
  sort?: 'best' | 'holders' | 'size' | 'name'
  /**
   * How long results are held back to be told of and numbered best first; later ones follow as they are found. Default 0:
   * all as they are found.
   */
  gatherMs?: number
  /**
   * How peers are asked. flood: all neighbours, and theirs. ring: floods that grow until enough is found. walk: from one to
   * the next, led by what is known to be near. Default auto: what fits the network and how common the thing is.
   */
  strategy?: 'auto' | 'flood' | 'ring' | 'walk'
  /** Query messages that it may cost; default 2,000, at most 10,000. */
  budget?: number
  /** Hops that a flood may travel. */
  ttl?: number
  /** Whether holders are asked to prove that they have what they say; default true. */
  prove?: boolean
  signal?: AbortSignal
}

export interface SearchResult {
  /** Number to give to `get`; stays the same while the search runs. */
  number: number
  id: string
  name: string
  size: number
  /** Peers that are said to hold the file, without those that turned out not to. */
  holders: string[]
  /** How many of them have shown that they have it, this node among them. A few are asked, not all. */
  proven: number
  /** proven: somebody has shown that it has the file, and that it has this size. checking: may still become so. */
  state: 'proven' | 'unproven' | 'checking'
  /** A collection that contains it. */
  infohash?: string
  /** This node has it already. */
  mine: boolean
  /** Hops to the nearest holder; 0 for this node. */
  hops: number
  /**
   * In which part of the search it was found first, and by way of which neighbour; `own` and this node for its own,
   * `super` and the super-peer that told it; `directory` and the holder when the ring named it.
   */
  foundBy: { how: 'own' | 'flood' | 'summaries' | 'walk' | 'super' | 'directory'; via: string }
  /** How well the name fits the query, 0 to 1; computed here, whatever holders say. */
  relevance: number
}

export type SearchEvent =
  /** A new result, or one that has changed: another holder, a proof, a holder that is none. */
  | { type: 'result'; result: SearchResult }
  /** A peer was asked to prove that it has a file and sent something wrong. What it named is not shown any more. */
  | { type: 'liar'; peerId: string; reason: string }
  | {
      type: 'done'
      results: number
      peersAsked: number
      /** Other peers that there are, as far as is known. */
      population?: number
      /** Everybody was asked and has answered. */
      isWhole: boolean
      /** Those asked are super-peers, who answer for the peers attached to them. */
      bySuperPeers?: boolean
      /** Query messages that were spent. */
      messages: number
      /** What the search did, in order; `found` counts holders. */
      waves: {
        how: 'flood' | 'summaries' | 'walk'
        budget: number
        messages: number
        peersAsked: number
        found: number
      }[]
      elapsedMs: number
      /** Why there is nothing, and what to do about it. Only without results. */
      hint?: string
    }

export interface GetOptions {
  /**
   * Folder to put it into. Without it, a transfer that was begun goes on where it is, and a new one goes into `cwd`. One
   * that runs into another folder is refused with ALREADY_RUNNING, one that has a part in another folder with EXISTS.
   */
  out?: string
  /** The caller's working directory; default: the node's own. */
  cwd?: string
  /** Only these files of a collection, by path. A transfer that fetches others already fetches these too. */
  files?: string[]
  signal?: AbortSignal
}

export interface WatchOptions {
  /** Time between two runs, a minute at least; default 5 minutes. */
  everyMs?: number
  /** Fetch what is found, what is there already included; default false. */
  get?: boolean
  /** Folder to put it into; default `cwd`. */
  out?: string
  /** The caller's working directory; default: the node's own. */
  cwd?: string
  /** Most bytes that it fetches in all; default 10 GB. */
  maxBytes?: number
}

export interface Watch {
  /** Never given to another one. */
  number: number
  query: string
  everyMs: number
  get: boolean
  /** Absolute folder that files are put into. */
  out: string
  maxBytes: number
  addedAt: number
  lastRunAt?: number
  /** Absent while nothing runs it. */
  nextRunAt?: number
  /** Files that it has found, those that it fetched, and those that are still to fetch. */
  files: { found: number; fetched: number; waiting: number }
  /** What was fetched, and what was reserved for what is being fetched. */
  bytes: number
  /** The newest first, at most 20. */
  latest: WatchedFile[]
  /** Why it does not do what it should, and what to do about it. */
  problem?: string
}

export interface WatchedFile {
  id: string
  name: string
  size: number
  foundAt: number
  state: 'found' | 'waiting' | 'fetching' | 'fetched' | 'failed'
  /** Where it was put. */
  path?: string
  /** Why it was not fetched, or not yet. */
  problem?: string
}

export type WatchEvent =
  | { type: 'found'; watch: number; query: string; file: WatchedFile }
  | { type: 'fetched'; watch: number; query: string; file: WatchedFile }
  | { type: 'problem'; watch: number; query: string; message: string }

export interface SourceStatus {
  peerId: string
  bytes: number
  rate: number
}

export interface TransferStatus {
  /** Infohash or file id. */
  id: string
  name: string
  path: string
  /** checking: what an interrupted run left on disk is looked at. */
  state: 'checking' | 'finding' | 'fetching' | 'finishing' | 'done' | 'paused' | 'stalled' | 'failed'
  size: number
  /** Verified and stored. */
  bytesDone: number
  rate: number
  /** Milliseconds to go at the present rate; absent when unknown. */
  etaMs?: number
  sources: SourceStatus[]
  /** Why it is not moving. */
  reason?: string
  /** What the user can do about one that is paused or failed. */
  next?: string
}

export interface LsOptions {
  signal?: AbortSignal
}

export interface ForgetOptions {
  /** Unfinished files are deleted. */
  delete?: boolean
}

export interface Forgotten {
  id: string
  name: string
  /** Unfinished files that were deleted. */
  deleted: string[]
  /** Unfinished files that are still there, and of no use to anybody but a later transfer into the same folder. */
  kept: string[]
}

export type GetEvent =
  | { type: 'progress'; transfer: TransferStatus }
  /** A peer sent wrong bytes and was dropped. */
  | { type: 'liar'; peerId: string; reason: string }
  | {
      type: 'done'
      transfer: TransferStatus
      /** What this call moved, without what was there before. */
      bytesFetched: number
      bytesWasted: number
      elapsedMs: number
    }

export interface Listing {
  name: string
  infohash?: string
  size: number
  files: SharedFile[]
  magnet: string
}

/** What a program can ask of a peer about the ring and the global directory; a part of `Shoal`. */
export interface ShoalDirectory {
  /** Where this node stands on the ring of all peers, and what it keeps there. */
  ring(): Promise<RingStatus>

  /**
   * What anybody has published in the global directory under a key: 64 hex digits, or any other text, which stands for
   * its SHA-256.
   */
  directoryGet(key: string, options?: DirectoryGetOptions): Promise<DirectoryAnswer>
  /** Publishes an entry, and keeps it published until it is removed, while a peer runs for this home directory. */
  directoryPut(entry: DirectoryDraft): Promise<DirectoryPut>
  /** Adds items, in base64, to the set that this node publishes under a key. */
  directoryAppend(key: string, items: string[]): Promise<DirectoryPut>
  /** Takes back what this node publishes under a key, or some items of its set. Returns the key. */
  directoryRemove(key: string, items?: string[]): Promise<string>
}

export interface RingPeer {
  peerId: string
  /** 64 hex digits: the SHA-256 of the peer id. */
  id: string
}

export interface RingStatus {
  /** Of this node. */
  id: string
  /** The one before it. Absent while it is alone, or looks for another. */
  predecessor?: RingPeer
  /** Those after it, the nearest first. */
  successors: RingPeer[]
  /** Short cuts across the ring. */
  fingers: RingPeer[]
  /** Which part of all keys it owns, 0 to 1. Absent while it does not know. */
  share?: number
  /** About how many nodes are on the ring, this one included. */
  nodes: number
  /** What lies here for all: as owner of its keys, and as copies for the nodes before it. */
  kept: { entries: number; bytes: number }
  /** Entries that this node publishes itself, wherever they lie. */
  published: number
  /** Whether it has found its place: it knows both neighbours, or no other peer is connected. */
  settled: boolean
}

export interface DirectoryGetOptions {
  /** Asks one of those with copies too, in case the owner hides something. */
  careful?: boolean
  signal?: AbortSignal
}

/**
 * - `value`: lies under its own SHA-256; at most 16 KiB.
 * - `member`: what this node says about a key; everybody may; at most 2 KiB.
 * - `own`: what only this node can say, under a key made of its id and a name; at most 4 KiB.
 */
export type DirectoryDraft =
  | { kind: 'value'; payload: string }
  | { kind: 'member'; key: string; payload: string }
  | { kind: 'own'; name: string; payload: string }

export interface DirectoryPut {
  key: string
  /** Nodes that have said that they keep it. */
  copies: number
}

export interface DirectoryAnswer {
  key: string
  /** Their signatures are right. One of each publisher; of a value that many publish, one. */
  entries: DirectoryEntry[]
  /** Entries that there are, of which these are some. */
  total: number
  /** Whether these are all, as those who keep the key say. */
  isComplete: boolean
}

export interface DirectoryEntry {
  kind: DirectoryDraft['kind']
  publisher: string
  publishedAt: number
  expiresAt: number
  /** Of an `own`. */
  name?: string
  /** In base64; of an `own` without its name. */
  payload: string
  /** In base64, when the payload of a `member` is a set of items. */
  items?: string[]
}

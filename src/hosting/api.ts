import type { ShareEvent } from '../api.ts'

/** What a program can ask about copies that other peers keep; a part of `Shoal`. */
export interface ShoalHosting {
  /**
   * Shares a file or folder and has other peers keep copies of it; again with another number to change that. The last
   * event is `done`, when so many copies are there. The order stands when the iteration is ended before: copies are made,
   * and made anew when a host goes away, as long as there are brokers.
   */
  put(path: string, options?: PutOptions): AsyncIterable<PutEvent>
  /** What this peer has had put elsewhere, and where it lies now, as brokers say. */
  copies(options?: CopiesOptions): Promise<Placement[]>
  /** No copies any more, of what is named by infohash, its beginning, or name. What is shared here stays. */
  drop(named: string): Promise<Placement>
}

export interface PutOptions {
  /** Copies on other peers, 1 to 16; default 3. */
  copies?: number
  /** Share hidden files and well-known secrets too. */
  hidden?: boolean
  signal?: AbortSignal
}

export type PutEvent =
  | ShareEvent
  /** Something has changed. */
  | { type: 'placement'; placement: Placement }
  | { type: 'done'; placement: Placement }

export interface CopiesOptions {
  /** First ask all brokers for what was ordered under this peer's key, in case its home directory is a new one. */
  recover?: boolean
}

/** A file or folder of this peer's that others keep copies of. */
export interface Placement {
  infohash: string
  name: string
  size: number
  /** Copies that were ordered. */
  wanted: number
  /** Copies that are whole, and whose hosts say so. */
  held: number
  /** Who has a copy or is fetching one. Empty as long as no broker has told. */
  hosts: CopyHost[]
  /** The broker that told last. */
  broker?: string
  /** The original is here, as it was. */
  isHere: boolean
  /** Two copies lie on one machine, or in one network, because there are too few. */
  isCrowded: boolean
  /** What hinders more copies, and what to do about it. */
  problem?: { code: string; message: string; next: string }
}

export interface CopyHost {
  peerId: string
  /** Names the machine or network that the host goes down with; empty when it is not known. */
  domain: string
  state: 'fetching' | 'held' | 'leaving'
  /** When it came into this state. */
  sinceAt: number
  /** How long ago the broker has heard of it. */
  heardMs: number
}

/** What this peer keeps for others. */
export interface HostingStatus {
  /** Bytes that the user gives. */
  offered: number
  /** Of these. */
  used: number
  items: number
}

import { BLOCK_BYTES, blockCount, HASH_BYTES, treeHeight } from '../metainfo/index.ts'

/** What one node settles for itself: what strangers may make it read, and how long it waits. Rates are per second. */
export interface ProofConfig {
  /**
   * Questions of one peer. Beyond it, it is penalised: a node asks for at most 50 proofs a second, and 300 at once, of
   * all others together.
   */
  questions: { rate: number; burst: number }
  /** Bytes that one peer may make this node read and hash. A question about a film of 4 GB costs 4 MiB. Beyond: refused. */
  peerBytes: { rate: number; burst: number }
  /** Likewise, all peers together. */
  allBytes: { rate: number; burst: number }
  /** What a question costs at least, also one about a file that is not here. */
  leastBytes: number
  /** Files that are read for strangers at the same time. */
  maxAtOnce: number
  /** Questions that wait for that. Beyond: refused. */
  maxWaiting: number
  /** Peers that accounts are kept of; more than libp2p has connections. */
  maxPeers: number
  /** How long a question may take this node, with its wait. */
  serveMs: number
  /** How long this node waits for an answer, a dial included. */
  answerMs: number
}

export const proofConfig: ProofConfig = {
  questions: { rate: 100, burst: 1_000 },
  // 100 films of 4 GB, which is what one search may find here; twice the longest piece of any `.torrent` fits
  peerBytes: { rate: 32 * 1024 * 1024, burst: 512 * 1024 * 1024 },
  allBytes: { rate: 64 * 1024 * 1024, burst: 1024 * 1024 * 1024 },
  leastBytes: 64 * 1024,
  maxAtOnce: 2,
  maxWaiting: 64,
  maxPeers: 1_024,
  serveMs: 10_000,
  answerMs: 5_000
}

/** Largest file: a PiB. */
const MAX_SIZE = 2 ** 50

/** What the wire allows. Part of the protocol: a peer that goes beyond it is penalised. */
export const proofLimits = {
  maxSize: MAX_SIZE,
  /** Challenges are below this. */
  challenges: 2 ** 48 - 1,
  questionBytes: HASH_BYTES + 8,
  /** Two blocks with their paths: 35,081 bytes. */
  maxAnswerBytes: 1 + 8 + 2 * (BLOCK_BYTES + treeHeight(blockCount(MAX_SIZE)) * HASH_BYTES),
  /** Questions that one connection may have open, each way. */
  maxStreams: 16
}

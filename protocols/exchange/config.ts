const KIB = 1024
const MIB = 1024 * KIB

/** What the wire allows. A stranger who goes beyond is cut off; both sides of Shoal know these numbers. */
export const exchangeLimits = {
  /** Longest request between peers of Shoal, offered as `shoal_request` in the extended handshake. */
  maxRequestBytes: MIB,
  /** Longest request of a peer that does not say otherwise (BEP 3: 2^14, longer ones end the connection). */
  plainRequestBytes: 16 * KIB,
  /** Largest message: a piece with its 9 bytes before the data. A bitfield has a sixteenth of that. */
  maxFrameBytes: MIB + 9,
  /** Pieces of a swarm: see `metainfoLimits.maxPieces`. */
  maxPieces: 524_288,
  /** Extended handshake, bencoded. Foreign clients write a few hundred bytes. */
  maxExtendedBytes: 4 * KIB,
  maxExtendedDepth: 4,
  maxExtendedTokens: 128,
  /** Ancestor layers in a hash request: more than any file of 2^50 bytes has. */
  maxProofs: 40,
  /** Requests of one peer that wait or are being served, offered as `reqq`; the next is rejected. */
  requestQueue: 256,
  /** Bytes of one peer's requests that wait or are being served; the next is rejected. */
  requestQueueBytes: 4 * MIB,
  /** Hash requests of one peer that are being served; the next is rejected. */
  hashRequestQueue: 64,
  /** `reqq` of a peer that does not say (libtorrent's default). */
  defaultRequestQueue: 250,
  /** Pieces, rejects and hashes that nobody asked for; the next one ends the connection. */
  unaskedAnswers: 32,
  /**
   * Messages that cost us work and bring nothing: changes of choke and interest (BEP 3 has them every 10 s; a client that
   * takes its interest back after each piece sends some hundred), what was said before, and what is ignored.
   */
  idleTalk: { rate: 100, burst: 2_000 },
  /** Peers that have left and sent something, remembered for the account of a transfer. */
  maxPastSources: 512,
  /** Hash requests of a peer that were refused, remembered; beyond it the peer is asked for no more hashes. */
  refusedHashes: 1_024
}

export interface ExchangeConfig {
  /** Bytes on the way from a peer before its rate is known. */
  startWindowBytes: number
  /** Most bytes on the way from one peer. At 250 MiB/s it covers 16 ms. */
  maxWindowBytes: number
  /** Most bytes on the way from all peers of a swarm. */
  maxOutstandingBytes: number
  /** Bytes being written at which requesting stops until the disk has caught up. */
  maxWritingBytes: number
  /** How much a peer's queue holds beyond bandwidth × delay, so that it never runs dry between two of our turns. */
  queueAheadMs: number
  /** A request is no longer than the peer sends in this time, so that a slow peer holds up little. */
  requestSpanMs: number
  /** A peer that owes blocks and sends none for so long is snubbed (libtorrent's piece_timeout). */
  requestTimeoutMs: number
  /** One request is given to somebody else after this, though its peer answers others. */
  oneRequestTimeoutMs: number
  /** Hashes are small and jump the queue. */
  hashTimeoutMs: number
  /** After this one more peer is asked for a range of the piece layer: nothing of its pieces can be verified before. */
  hashHedgeMs: number
  /** A refused hash may be asked for again at the same peer after this. */
  hashRetryMs: number
  /** Requests for ranges of the piece layer on the way to one peer. */
  layerRequests: number
  /** Pieces picked at random before rarest first begins, so that there is soon something to trade (Cohen 2003). */
  randomFirstPieces: number
  /** Peers that one block is asked of in the end game. */
  endGameCopies: number
  /** In the end game a block is asked again of a peer that would have it this much sooner than who owes it. */
  endGameGain: number
  /** Regular upload slots (BEP 3). */
  uploadSlots: number
  /** BEP 3. */
  rechokeMs: number
  /** BEP 3. */
  optimisticMs: number
  /** How long a seed serves a peer before the next in turn (Legout 2006: new seed choke, by time). */
  seedTurnMs: number
  /** A connection is new for so long, and three times as likely to win the lot (BEP 3). */
  newPeerMs: number
  /** A peer that could send and did not for so long loses its regular slot (Cohen 2003: 60 s). */
  antiSnubMs: number
  /** Bytes of one peer between disk and stream. Half of it is read while the other half is sent; more only grows old. */
  uploadWindowBytes: number
  /** A keep-alive when nothing else was said for so long. BEP 3 has two minutes; we hang up after as much. */
  keepAliveMs: number
  /** A peer that has wanted nothing of a seed for so long only takes its place. */
  uninterestedMs: number
  /** A peer that says nothing at all for so long is gone. */
  idleMs: number
  /** How often deadlines are looked at. */
  tickMs: number
  /** Shortest time between two `progress` events. */
  progressMs: number
  /** Span of the moving average of rates. */
  rateSpanMs: number
  /** Peers of one swarm; more are turned away. */
  maxPeers: number
}

export const defaultExchangeConfig: ExchangeConfig = {
  startWindowBytes: 512 * KIB,
  maxWindowBytes: 4 * MIB,
  maxOutstandingBytes: 32 * MIB,
  maxWritingBytes: 32 * MIB,
  queueAheadMs: 500,
  requestSpanMs: 1_000,
  requestTimeoutMs: 20_000,
  oneRequestTimeoutMs: 60_000,
  hashTimeoutMs: 10_000,
  hashHedgeMs: 1_000,
  hashRetryMs: 60_000,
  layerRequests: 16,
  randomFirstPieces: 4,
  endGameCopies: 3,
  endGameGain: 1.5,
  uploadSlots: 4,

  rechokeMs: 10_000,
  optimisticMs: 30_000,
  seedTurnMs: 30_000,
  newPeerMs: 60_000,
  antiSnubMs: 60_000,
  uploadWindowBytes: MIB,
  keepAliveMs: 60_000,
  uninterestedMs: 60_000,
  idleMs: 120_000,
  tickMs: 500,
  progressMs: 200,
  rateSpanMs: 5_000,
  maxPeers: 64
}

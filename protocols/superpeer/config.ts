/** What a message may hold. Part of the protocol: a peer that goes beyond it is penalised. */
export const superPeerLimits = {
  /** Items of a catalogue, and what they take as `itemBytes` counts. */
  maxItems: 20_000,
  maxCatalogueBytes: 4 * 1024 * 1024,
  /** Items that lie in a bucket, about: a change costs no more than to look at so many. */
  bucketItems: 16,
  /** 2,048 buckets. */
  maxBits: 11
}

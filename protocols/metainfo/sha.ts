/** SHA-256 of some bytes: 32 bytes. Handed in, because nothing here may reach for the runtime's own. */
export type Sha256 = (data: Uint8Array) => Uint8Array

export const HASH_BYTES = 32

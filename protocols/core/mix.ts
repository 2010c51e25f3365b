/** A bijection of 32-bit integers that spreads every bit: the finaliser of MurmurHash3 (Austin Appleby). Signed. */
export function mix(value: number): number {
  let z = value ^ (value >>> 16)
  z = Math.imul(z, 0x85ebca6b)
  z ^= z >>> 13
  z = Math.imul(z, 0xc2b2ae35)
  return z ^ (z >>> 16)
}

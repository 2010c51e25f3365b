import { createHash } from 'node:crypto'

/** BEP 52's tree written down as plainly as it can be: every layer, padded to a power of two. The oracle of the tests. */
export function naiveTree(data: Uint8Array): Uint8Array[][] {
  const leaves: Uint8Array[] = []
  for (let at = 0; at < data.byteLength; at += 16_384) leaves.push(sha256(data.subarray(at, at + 16_384)))
  while ((leaves.length & (leaves.length - 1)) !== 0) leaves.push(new Uint8Array(32))
  const layers = [leaves]
  for (let layer = leaves; layer.length > 1; layers.push(layer)) {
    const pairs = layer
    layer = []
    for (let i = 0; i < pairs.length; i += 2) layer.push(sha256(Buffer.concat([pairs[i]!, pairs[i + 1]!])))
  }
  return layers
}

export function sha256(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(data).digest())
}

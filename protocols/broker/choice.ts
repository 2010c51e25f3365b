import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'

/** Where a host is, as it says and as it is seen. Hosts that share either fall together. */
export interface Domains {
  /** Empty when it is not said. */
  readonly claimed: string
  readonly seen: string | undefined
}

export function shareDomain(a: Domains, b: Domains): boolean {
  return (a.claimed !== '' && a.claimed === b.claimed) || (a.seen !== undefined && a.seen === b.seen)
}

/** A host that may get a copy. */
export interface Candidate {
  readonly peer: Peer
  readonly domains: Domains
  readonly bytes: number
  /** With what was just placed and is not told yet. */
  readonly usedBytes: number
  readonly uptimeMs: number
  readonly uploadBytesPerS: number
  /** 0..1. */
  readonly load: number
  /** 0..1: how seldom it has failed. */
  readonly trust: number
  /** It is known from another broker alone, which tells everybody of it: what it says is out of date soonest. */
  readonly isHearsay: boolean
}

export type Choice =
  | { readonly type: 'host'; readonly candidate: Candidate; readonly isCrowded: boolean }
  | { readonly type: 'noHosts' }
  | { readonly type: 'noRoom'; readonly missingBytes: number }

/** Hosts below this are only used when there is nobody else. */
const TRUSTED = 0.3
/** Used shares that are as good as the lowest: what fill may differ by in the end, for a choice that does not herd. */
const NEAR = 0.01
/** How much emptier a host must be that others fill as well, so that those near by are what is filled mostly. */
const HEARSAY = 0.03

/**
 * The host for one more copy. Whose offer will be used least comes first, so that all fill evenly; among those that
 * differ little, chance by quality, so that many brokers with the same data do not all come to the same host. `taken`:
 * where copies are already; they are shared only when there is nothing else, and not at all with `isStrict`.
 */
export function choose(
  candidates: readonly Candidate[],
  { size, taken, rng, isStrict = false }: { size: number; taken: readonly Domains[]; rng: Rng; isStrict?: boolean }
): Choice {
  if (candidates.length === 0) return { type: 'noHosts' }
  const roomy = candidates.filter(({ bytes, usedBytes }) => bytes - usedBytes >= size)
  if (roomy.length === 0) {
    const most = candidates.reduce((best, { bytes, usedBytes }) => Math.max(best, bytes - usedBytes), 0)
    return { type: 'noRoom', missingBytes: size - most }
  }
  const apart = roomy.filter(({ domains }) => !taken.some(other => shareDomain(domains, other)))
  if (apart.length === 0 && isStrict) return { type: 'noHosts' }
  const possible = apart.length > 0 ? apart : roomy
  const trusted = possible.filter(({ trust }) => trust >= TRUSTED)
  const near = nearest(trusted.length > 0 ? trusted : possible, size)
  return { type: 'host', candidate: draw(near, rng), isCrowded: apart.length === 0 }
}

/** What share of its offer a host will have used; more for one that many fill. */
function shareAfter({ bytes, usedBytes, isHearsay }: Candidate, size: number): number {
  return (usedBytes + size) / bytes + (isHearsay ? HEARSAY : 0)
}

function nearest(candidates: readonly Candidate[], size: number): Candidate[] {
  const least = candidates.reduce((best, one) => Math.min(best, shareAfter(one, size)), Number.POSITIVE_INFINITY)
  return candidates.filter(one => shareAfter(one, size) <= least + NEAR)
}

const DAY_MS = 86_400_000
const FAST_BYTES_PER_S = 1_000_000

/**
 * 0..1. Who has been there for long stays for long (S. Saroiu et al., MMCN 2002, found lifetimes with heavy tails): half
 * at a day.
 */
function qualityOf({ uptimeMs, uploadBytesPerS, load, trust }: Candidate): number {
  const lasting = 0.1 + uptimeMs / (uptimeMs + DAY_MS)
  const fast = 0.1 + uploadBytesPerS / (uploadBytesPerS + FAST_BYTES_PER_S)
  return lasting * fast * (1.05 - load) * (0.05 + trust)
}

function draw(candidates: readonly Candidate[], rng: Rng): Candidate {
  const qualities = candidates.map(qualityOf)
  let left = rng.unit() * qualities.reduce((sum, quality) => sum + quality, 0)
  const at = qualities.findIndex(quality => (left -= quality) < 0)
  return candidates.at(at) as Candidate
}

import type { PeerStatus, Status, TransferStatus } from '../api.ts'

export interface Snapshot {
  status: Status
  peers: PeerStatus[]
  transfers: TransferStatus[]
}

export type Change =
  | { type: 'peer-joined'; peer: PeerStatus }
  | { type: 'peer-left'; peerId: string }
  | { type: 'transfer'; transfer: TransferStatus }
  | { type: 'shared'; files: number; bytes: number }
  | { type: 'addresses'; addresses: string[] }
  | { type: 'problem'; code: string; message: string; next: string }
  | { type: 'problem-solved'; code: string; message: string }

/** What a user wants to hear of between two looks at a peer: what began, what ended, what is wrong. Not how it goes on. */
export function changesBetween(before: Snapshot, after: Snapshot): Change[] {
  const known = new Set(before.peers.map(({ peerId }) => peerId))
  const present = new Set(after.peers.map(({ peerId }) => peerId))
  const states = new Map(before.transfers.map(({ id, state }) => [id, state]))
  const wrongBefore = new Set(before.status.problems.map(({ code, message }) => `${code} ${message}`))
  const wrongNow = new Set(after.status.problems.map(({ code, message }) => `${code} ${message}`))
  const { shared, addresses } = after.status
  const sharedOther =
    shared.hashing === 0 &&
    (shared.files !== before.status.shared.files ||
      shared.bytes !== before.status.shared.bytes ||
      before.status.shared.hashing > 0)
  return [
    ...after.peers.filter(({ peerId }) => !known.has(peerId)).map(peer => ({ type: 'peer-joined' as const, peer })),
    ...[...known].filter(peerId => !present.has(peerId)).map(peerId => ({ type: 'peer-left' as const, peerId })),
    ...after.transfers
      .filter(({ id, state }) => states.get(id) !== state && !(state === 'paused' && !states.has(id)))
      .map(transfer => ({ type: 'transfer' as const, transfer })),
    ...(sharedOther ? [{ type: 'shared' as const, files: shared.files, bytes: shared.bytes }] : []),
    ...(addresses.join() === before.status.addresses.join() ? [] : [{ type: 'addresses' as const, addresses }]),
    ...after.status.problems
      .filter(({ code, message }) => !wrongBefore.has(`${code} ${message}`))
      .map(problem => ({ type: 'problem' as const, ...problem })),
    ...before.status.problems
      .filter(({ code, message }) => !wrongNow.has(`${code} ${message}`))
      .map(({ code, message }) => ({ type: 'problem-solved' as const, code, message }))
  ]
}

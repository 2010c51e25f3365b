import { type RingId, ringShare } from '../../protocols/core/keyspace.ts'
import type { RingPeer, RingStatus } from '../api.ts'
import { shown } from './escape.ts'
import { pairs, table } from './table.ts'
import { peerText } from './transfer-text.ts'
import { bytesText, countText } from './units.ts'

/** As many hex digits of an id as tell it from any other, and fit beside it. */
const SHOWN_DIGITS = 16

const COLUMNS = [{ title: 'ROLE' }, { title: 'PEER' }, { title: 'ID' }, { title: 'AHEAD', right: true }]

/** Where a peer stands on the ring, line by line. The table's title is the line after the empty one. */
export function ringText(status: RingStatus): string[] {
  const { id, share, kept, published, predecessor, successors, fingers } = status
  const facts = pairs([
    ['place', shown(id)],
    ['ring', ringSizeText(status)],
    [
      'owns',
      share === undefined ? 'unknown: its predecessor is being looked for' : `${percentText(share)} of all keys`
    ],
    ['keeps', `${countText(kept.entries, 'entry', 'entries')} for all, ${bytesText(kept.bytes)}`],
    ['publishes', countText(published, 'entry', 'entries')]
  ])
  const row = (role: string, peer: RingPeer): string[] => [
    role,
    peerText(peer.peerId),
    `${shown(peer.id.slice(0, SHOWN_DIGITS))}…`,
    percentText(ringShare(id as RingId, peer.id as RingId))
  ]
  const byDistance = (a: RingPeer, b: RingPeer): number =>
    ringShare(id as RingId, a.id as RingId) - ringShare(id as RingId, b.id as RingId)
  const rows = [
    ...(predecessor === undefined ? [] : [row('predecessor', predecessor)]),
    ...successors.map((peer, i) => row(`successor ${i + 1}`, peer)),
    ...fingers.toSorted(byDistance).map(peer => row('finger', peer))
  ]
  return rows.length === 0 ? facts : [...facts, '', ...table(COLUMNS, rows)]
}

function ringSizeText({ nodes, settled, successors }: RingStatus): string {
  if (!settled && successors.length === 0) return 'no place found yet; this peer looks for one'
  if (nodes === 1) return 'this peer alone'
  return `about ${countText(nodes, 'peer')}${settled ? '' : '; its place is changing'}`
}

/** Of the ring: `50 %`, `6.3 %`, `0.042 %`. */
export function percentText(share: number): string {
  const percent = share * 100
  return `${percent >= 10 || percent === 0 ? Math.round(percent) : Number(percent.toPrecision(2))} %`
}

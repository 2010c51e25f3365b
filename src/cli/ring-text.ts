import { type RingId, ringShare } from '../../protocols/core/keyspace.ts'
import type { RingPeer, RingStatus } from '../api.ts'
import { shown } from './escape.ts'
import { pairs, table } from './table.ts'
import { peerText } from './transfer-text.ts'
import { bytesText, countText } from './units.ts'

/** As many hex digits of an id as tell it from any other, and fit beside it. */
const SHOWN_DIGITS = 16

const COLUMNS = [{ title: 'ROLE' }, { title: 'PEER' }, { title: 'ID' }, { title: 'DISTANCE' }]

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
    ['keeps', kept.entries === 0 ? 'nothing yet' : `${entriesText(kept.entries)} for all, ${bytesText(kept.bytes)}`],
    ['publishes', published === 0 ? 'nothing' : entriesText(published)]
  ])
  const behind = ({ id: its }: RingPeer): string => `${percentText(ringShare(its as RingId, id as RingId))} behind`
  const ahead = ({ id: its }: RingPeer): string => `${percentText(ringShare(id as RingId, its as RingId))} ahead`
  const row = (role: string, peer: RingPeer, distance: string): string[] => [
    role,
    peerText(peer.peerId),
    `${shown(peer.id.slice(0, SHOWN_DIGITS))}…`,
    distance
  ]
  const byDistance = (a: RingPeer, b: RingPeer): number =>
    ringShare(id as RingId, a.id as RingId) - ringShare(id as RingId, b.id as RingId)
  const rows = [
    ...(predecessor === undefined ? [] : [row('predecessor', predecessor, behind(predecessor))]),
    ...successors.map((peer, i) => row(`successor ${i + 1}`, peer, ahead(peer))),
    ...fingers.toSorted(byDistance).map(peer => row('finger', peer, ahead(peer)))
  ]
  return rows.length === 0 ? facts : [...facts, '', ...table(COLUMNS, rows)]
}

function entriesText(count: number): string {
  return countText(count, 'entry', 'entries')
}

function ringSizeText({ nodes, settled, predecessor, successors }: RingStatus): string {
  if (!settled && successors.length === 0) return 'no place found yet; this peer looks for one'
  if (nodes === 1) return 'this peer alone'
  // a list of successors that goes around the ring has everybody in it
  const isExact = predecessor !== undefined && predecessor.peerId === successors.at(-1)?.peerId
  return `${isExact ? '' : 'about '}${countText(nodes, 'peer')}${settled ? '' : '; its place is changing'}`
}

/** Of the ring: `50 %`, `6.3 %`, `0.042 %`. */
export function percentText(share: number): string {
  const percent = share * 100
  return `${percent >= 10 || percent === 0 ? Math.round(percent) : Number(percent.toPrecision(2))} %`
}

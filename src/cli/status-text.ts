import type { Status, TransferStatus } from '../api.ts'
import { shown } from './escape.ts'
import { pairs } from './table.ts'
import { peerText, progressText } from './transfer-text.ts'
import { bytesText, countText, durationText, rateText } from './units.ts'

/** Who this peer is, and how others find and reach it. */
export function identityText(status: Status): [string, string][] {
  const { peerId, addresses, discovery, privateGroup, home } = status
  const reachable = addresses.length === 0 ? ['at no address'] : addresses.map(shown)
  const finding = discovery.map(it => {
    if (it.working) return shown(it.name)
    return `${shown(it.name)} does not work${it.problem === undefined ? '' : `: ${shown(it.problem)}`}`
  })
  return [
    ['peer', shown(peerId)],
    ['home', shown(home)],
    ['reachable', reachable[0] as string],
    ...reachable.slice(1).map(address => ['', address] as [string, string]),
    ['finds by', finding.length === 0 ? 'no interface: only peers that are named or remembered' : finding.join(', ')],
    ['open to', privateGroup ? 'members of its private group' : 'everybody on this network']
  ]
}

/** @param indexing paths that are being looked at, beside what is shared already */
export function sharedText({ shared }: Status, indexing: readonly string[] = []): string {
  const hashing = shared.hashing === 0 ? '' : `, ${countText(shared.hashing, 'file')} still to hash`
  const looking = indexing.length === 0 ? '' : `indexing ${indexing.map(shown).join(', ')} …`
  if (shared.files === 0 && hashing === '' && looking !== '') return looking
  if (shared.files === 0 && hashing === '') return 'nothing yet; `shoal share PATH` adds a file or a folder'
  return `${countText(shared.files, 'file')}, ${bytesText(shared.bytes)}${hashing}${looking === '' ? '' : `; ${looking}`}`
}

/** Everything about a peer, line by line. */
export function statusText(status: Status, transfers: readonly TransferStatus[], now: number): string[] {
  const { peers, ring, superPeer, rates, totals, version, pid, startedAt } = status
  const lines = pairs([
    ['shoal', `${shown(version)}, process ${pid}, for ${durationText(Math.max(now - startedAt, 0))}`],
    ...identityText(status),
    ['peers', `${peers.connected} connected, ${peers.neighbours} of them neighbours, ${peers.known} known`],
    ...(ring === undefined ? [] : [['ring', ringLine(ring)] as [string, string]]),
    ...(superPeer === undefined ? [] : [['role', roleText(superPeer)] as [string, string]]),
    ['shared', sharedText(status)],
    ...hostingText(status),
    ['transfers', transfersText(status.transfers)],
    ['down', `${rateText(rates.down)}, ${bytesText(totals.down)} in all`],
    ['up', `${rateText(rates.up)}, ${bytesText(totals.up)} in all`]
  ])
  for (const transfer of transfers) {
    lines.push(`  ${progressText(transfer, 0)}`)
    if (transfer.next !== undefined) lines.push(`    ${shown(transfer.next)}`)
  }
  return lines
}

function ringLine({ nodes, entries }: NonNullable<Status['ring']>): string {
  const size = nodes === 1 ? 'this peer alone' : `about ${countText(nodes, 'peer')}`
  return `${size}, ${countText(entries, 'entry', 'entries')} kept here for all`
}

/** What it keeps for others, if it offers that or still has something. */
export function hostingText({ hosting }: Status): [string, string][] {
  if (hosting === undefined || (hosting.offered === 0 && hosting.items === 0)) return []
  const { offered, used, items } = hosting
  return [['hosts', `${countText(items, 'item')} for others, ${bytesText(used)} of ${bytesText(offered)} offered`]]
}

function roleText({ role, reason, supers, clients, indexed }: NonNullable<Status['superPeer']>): string {
  const what = role === 'super' ? 'super-peer' : 'peer'
  const work = role === 'super' ? `; answers for ${countText(clients, 'peer')} with ${countText(indexed, 'file')}` : ''
  const names = role === 'super' || supers.length === 0 ? '' : ` (${supers.map(peerText).join(', ')})`
  return `${what}: ${shown(reason)}${names}${work}`
}

function transfersText({ active, paused, failed }: Status['transfers']): string {
  return `${active} active, ${paused} paused${failed === 0 ? '' : `, ${failed} failed`}`
}

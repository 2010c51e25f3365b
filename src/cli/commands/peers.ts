import type { PeerStatus } from '../../api.ts'
import { ERRORS } from '../../errors.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { table } from '../table.ts'
import { addressText, peerText } from '../transfer-text.ts'
import { bytesText, durationText } from '../units.ts'

const COLUMNS = [
  { title: 'PEER' },
  { title: 'ROLE' },
  { title: 'FOUND BY' },
  { title: 'FOR', right: true },
  { title: 'DOWN', right: true },
  { title: 'UP', right: true },
  { title: 'ADDRESS' },
  { title: 'DISTRUSTED FOR' }
]

export async function peers(context: Context): Promise<void> {
  const { out } = context
  await withPeer(context, 'network', async shoal => {
    const list = await interruptible(context, shoal.peers())
    for (const peer of list) out.record('peer', peer)
    if (list.length === 0) {
      out.say('No other peer is connected.')
      out.say(`  ${ERRORS.NO_PEERS.next}`)
      return
    }
    const distrusted = list.some(peer => (peer.penalties ?? []).length > 0)
    const columns = distrusted ? COLUMNS : COLUMNS.slice(0, -1)
    for (const [i, line] of table(columns, list.map(rowOf)).entries()) out.say(i === 0 ? out.paint('bold', line) : line)
  })
}

function rowOf({
  peerId,
  neighbour,
  role,
  foundBy,
  connectedForMs,
  down,
  up,
  address,
  penalties = []
}: PeerStatus): string[] {
  return [
    peerText(peerId),
    roleText(role, neighbour),
    shown(foundBy),
    durationText(connectedForMs),
    bytesText(down),
    bytesText(up),
    addressText(address),
    penalties.map(({ reason, count }) => `${shown(reason)} (${count})`).join(', ')
  ]
}

function roleText(role: PeerStatus['role'], isNeighbour: boolean): string {
  if (role === 'super') return 'super-peer'
  if (role === 'client') return 'client'
  return isNeighbour ? 'neighbour' : 'connected'
}

import type { CopyHost, Placement } from '../api.ts'
import { shown } from './escape.ts'
import { table } from './table.ts'
import { peerText } from './transfer-text.ts'
import { bytesText, countText, durationText } from './units.ts'

const COLUMNS = [
  { title: '  HOST' },
  { title: 'STATE' },
  { title: 'FOR', right: true },
  { title: 'HEARD', right: true },
  { title: 'TOGETHER WITH' }
]

const STATES: Readonly<Record<CopyHost['state'], string>> = {
  fetching: 'is fetching it',
  held: 'has it',
  leaving: 'has it, and is leaving'
}

/** How many copies there are. */
export function copiesText({ held, wanted, hosts }: Placement): string {
  const fetching = hosts.filter(({ state }) => state === 'fetching').length
  const coming = fetching === 0 ? '' : `, ${fetching} on the way`
  return `${held} of ${countText(wanted, 'copy', 'copies')}${coming}`
}

/** One thing that was put elsewhere, where its copies are, and what is wrong with them. */
export function placementText(placement: Placement, now: number): string[] {
  const { name, infohash, size, isHere, isCrowded, hosts, problem } = placement
  const here = isHere ? 'the original is here' : `the original is not here any more: shoal get ${infohash}`
  const lines = [`${shown(name)}: ${copiesText(placement)}, ${bytesText(size)}, ${here}`, `  ${infohash}`]
  if (hosts.length > 0)
    lines.push(
      ...table(
        COLUMNS,
        hosts.map(host => rowOf(host, now))
      )
    )
  if (isCrowded) {
    lines.push('  Some copies are together on one machine or in one network: more hosts elsewhere would part them.')
  }
  if (problem !== undefined) lines.push(`  problem: ${shown(problem.message)}`, `    ${shown(problem.next)}`)
  return lines
}

function rowOf({ peerId, state, sinceAt, heardMs, domain }: CopyHost, now: number): string[] {
  return [
    `  ${peerText(peerId)}`,
    STATES[state],
    durationText(Math.max(now - sinceAt, 0)),
    `${durationText(heardMs)} ago`,
    shown(domain)
  ]
}

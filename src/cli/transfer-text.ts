import type { GetEvent, TransferStatus } from '../api.ts'
import { shown } from './escape.ts'
import { cut, widthOf } from './table.ts'
import { bytesText, countText, durationText, rateText } from './units.ts'

const LONGEST_BAR = 30
const SHORTEST_BAR = 6
/** Columns that the name of a file may have of a progress line. */
const LONGEST_NAME = 24

/** Whose name is too long to read: peers are told apart by the end of their id. */
export function peerText(peerId: string): string {
  return peerId.length <= 8 ? shown(peerId) : `…${shown(peerId.slice(-8))}`
}

/** An address beside whose peer stands already. */
export function addressText(address: string): string {
  return shown(address.replace(/\/p2p\/[^/]+$/, ''))
}

/** `name  [####------]  40 %  1.2 MB of 3.0 MB  1.0 MB/s  2 s left  3 sources`, in so many columns. */
export function progressText(transfer: TransferStatus, columns: number): string {
  const { size, bytesDone, rate, etaMs, sources, state, reason } = transfer
  const share = size > 0 ? Math.min(bytesDone / size, 1) : 0
  const giving = sources.filter(source => source.rate > 0).length || sources.length
  const facts = [
    `${String(Math.floor(share * 100)).padStart(3)} %`,
    `${bytesText(bytesDone)} of ${bytesText(size)}`,
    rateText(rate),
    ...(etaMs === undefined ? [] : [`${remainingText(etaMs)} left`]),
    countText(giving, 'source'),
    ...(state === 'fetching' ? [] : [state]),
    ...(reason === undefined ? [] : [shown(reason)])
  ].join('  ')
  const name = cut(shown(transfer.name), LONGEST_NAME)
  const room = Math.min(columns - widthOf(name) - widthOf(facts) - 6, LONGEST_BAR)
  const full = Math.round(share * room)
  const bar = room < SHORTEST_BAR ? '' : `[${'#'.repeat(full)}${'-'.repeat(room - full)}]  `
  return `${name}  ${bar}${facts}`
}

/** Fractions of a second that are still to come are nobody's concern. */
function remainingText(ms: number): string {
  return ms < 10_000 ? `${Math.ceil(ms / 1000)} s` : durationText(ms)
}

/** What there is to say when a transfer is done, a line each. */
export function doneText({ transfer, bytesFetched, bytesWasted, elapsedMs }: GetDone): string[] {
  const given = transfer.sources.filter(source => source.bytes > 0).sort((a, b) => b.bytes - a.bytes)
  const width = Math.max(0, ...given.map(source => bytesText(source.bytes).length))
  const wasted = bytesWasted === 0 ? '' : `, ${bytesText(bytesWasted)} thrown away`
  const rate = elapsedMs > 0 ? `: ${rateText((bytesFetched / elapsedMs) * 1000)}` : ''
  return [
    shown(transfer.path),
    ...given.map(source => `  ${bytesText(source.bytes).padStart(width)} from ${peerText(source.peerId)}`),
    bytesFetched === 0
      ? '  nothing to fetch: it was here already'
      : `  ${bytesText(bytesFetched)} in ${durationText(elapsedMs)}${rate}${wasted}`
  ]
}

type GetDone = Extract<GetEvent, { type: 'done' }>

import type { Watch, WatchEvent, WatchedFile } from '../api.ts'
import { shown } from './escape.ts'
import { bytesText, countText, durationText } from './units.ts'

/** What a watch does, without what it has found. */
export function settingsText({ everyMs, get, out, maxBytes }: Watch): string {
  const fetching = get ? `, fetches up to ${bytesText(maxBytes)} into ${shown(out)}` : ''
  return `every ${everyText(everyMs)}${fetching}`
}

/** What happened, for those who follow; a line. */
export function watchEventText(event: WatchEvent): string {
  const of = `watch ${event.watch}`
  switch (event.type) {
    case 'found':
      return `${of} found ${bytesText(event.file.size)}  ${shown(event.file.name)}  ${event.file.id}`
    case 'fetched':
      return `${of} fetched ${bytesText(event.file.size)}  ${shown(event.file.path ?? event.file.name)}`
    case 'problem':
      return `${of}: ${shown(event.message)}`
  }
}

/** How it goes: `12 found, 3 fetched (1.2 GB), 1 waiting`. */
export function foundText({ files, bytes, get }: Watch): string {
  const { found, fetched, waiting } = files
  if (!get && fetched === 0) return `${found} found`
  return `${found} found, ${fetched} fetched (${bytesText(bytes)})${waiting === 0 ? '' : `, ${waiting} waiting`}`
}

export function lastRunText({ lastRunAt }: Watch, now: number): string {
  return lastRunAt === undefined ? 'never' : `${durationText(Math.max(0, now - lastRunAt))} ago`
}

/** A file with how it stands with it. */
export function watchedFileText({ name, size, state, path, problem, id }: WatchedFile): string {
  const where = path === undefined ? '' : `: ${shown(path)}`
  const why = problem === undefined ? '' : `: ${shown(problem)}`
  return `${bytesText(size).padStart(9)}  ${state.padEnd(8)}  ${shown(name)}${where || why || `  ${id}`}`
}

/** `5 min`, `1 h`, `90 s`: as short as a person would write it. */
function everyText(ms: number): string {
  for (const [unit, name] of [
    [24 * 3_600_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min']
  ] as const) {
    if (ms >= unit && ms % unit === 0) return ms === unit && name === 'min' ? 'minute' : `${ms / unit} ${name}`
  }
  return durationText(ms)
}

export function removedText({ number, query, files }: Watch): string {
  return `watch ${number} is removed: ${shown(query)} (${countText(files.found, 'file')} found)`
}

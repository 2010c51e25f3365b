/** Decimal units, as disks and networks are sold; never mixed with binary ones. */
const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const

/** `999 B`, `1.0 kB`, `3.5 MB`. A value that is no size is `–`. */
export function bytesText(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return '–'
  if (bytes < 999.5) return `${Math.round(bytes)} B`
  let value = bytes
  for (const unit of UNITS) {
    value /= 1000
    // what is written as 1000.0 belongs to the next unit
    if (value < 999.95 || unit === UNITS.at(-1)) return `${value.toFixed(1)} ${unit}`
  }
  return '–'
}

/** Bytes per second. */
export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`
}

/** `0.42 s`, `42 s`, `3 min 5 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '–'
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** `1 file`, `2 files`. */
export function countText(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`
}

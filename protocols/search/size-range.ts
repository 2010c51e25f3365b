/** Decimal, as sizes of files and disks are shown; binary ones are written with an i. */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
  pi: 2 ** 50
}

export interface SizeRange {
  /** Bytes, both included. */
  readonly least: number
  readonly most: number
}

/** `1.5G`, `700MB`, `4GiB` as bytes; undefined for what is no size. */
export function parseBytes(text: string): number | undefined {
  const [, digits, name = ''] = /^(\d{1,16}(?:\.\d{1,16})?)([a-z]{0,3})$/i.exec(text) ?? []
  if (digits === undefined) return undefined
  const letters = name.toLowerCase()
  const unit = UNITS[letters] ?? UNITS[letters.replace(/b$/, '')]
  const bytes = unit === undefined ? Number.NaN : Math.round(Number(digits) * unit)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `>1G`, `>=1G`, `<500M`, `<=500M`, `100M..2G`, `1G..`, `..500M`; a text that says what is wrong with any other. */
export function parseSize(text: string): SizeRange | string {
  const compared = /^([<>]=?)(.+)$/.exec(text)
  const between = /^(.*?)\.\.(.*)$/.exec(text)
  let least = 0
  let most = Number.MAX_SAFE_INTEGER
  if (compared !== null) {
    const [, sign, limit = ''] = compared
    const bytes = parseBytes(limit)
    if (bytes === undefined) return `"${limit}" is no size`
    if (sign === '>') least = Math.min(bytes + 1, Number.MAX_SAFE_INTEGER)
    else if (sign === '>=') least = bytes
    else if (sign === '<=') most = bytes
    else most = bytes - 1
  } else if (between !== null) {
    const [, from = '', to = ''] = between
    if (from === '' && to === '') return 'size: needs a size on one side of the dots'
    const low = from === '' ? least : parseBytes(from)
    const high = to === '' ? most : parseBytes(to)
    if (low === undefined) return `"${from}" is no size`
    if (high === undefined) return `"${to}" is no size`
    least = low
    most = high
  } else {
    if (text === '') return 'size: needs a size right behind it'
    return parseBytes(text) === undefined ? `"${text}" is no size` : 'size: needs to know whether more or less is meant'
  }
  return least > most ? 'no file has such a size' : { least, most }
}

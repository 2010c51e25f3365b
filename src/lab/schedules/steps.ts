/** One thing that happens. */
export type Step =
  /** The oldest message between two nodes arrives. */
  | { readonly type: 'deliver'; readonly from: number; readonly to: number }
  /** A node that waits for an answer of another that has gone gives up. */
  | { readonly type: 'failed'; readonly node: number; readonly of: number }
  | { readonly type: 'join'; readonly node: number; readonly member: number }
  | { readonly type: 'stabilize' | 'crash' | 'leave'; readonly node: number }

const TYPES = ['deliver', 'failed', 'join', 'stabilize', 'crash', 'leave'] as const

/** Below 2^16, for nodes below 16. */
export function stepCode(type: Step['type'], a: number, b = 0): number {
  return TYPES.indexOf(type) * 256 + a * 16 + b
}

export function stepOf(code: number): Step {
  const type = TYPES[code >> 8] as Step['type']
  const a = (code >> 4) & 15
  const b = code & 15
  switch (type) {
    case 'deliver':
      return { type, from: a, to: b }
    case 'failed':
      return { type, node: a, of: b }
    case 'join':
      return { type, node: a, member: b }
    default:
      return { type, node: a }
  }
}

/** A schedule as one argument of a command: `join.3.2 deliver.3.2 crash.1`. */
export function scheduleText(codes: readonly number[]): string {
  return codes
    .map(code => {
      const type = TYPES[code >> 8] as Step['type']
      const hasTwo = type === 'deliver' || type === 'failed' || type === 'join'
      return `${type}.${(code >> 4) & 15}${hasTwo ? `.${code & 15}` : ''}`
    })
    .join(' ')
}

/** @throws RangeError for what is no schedule */
export function parseSchedule(text: string): number[] {
  return text
    .trim()
    .split(/\s+/)
    .map(word => {
      const [type, a, b] = word.split('.')
      const index = TYPES.indexOf(type as Step['type'])
      const [first, second] = [Number(a), Number(b ?? 0)]
      const isNode = (node: number): boolean => Number.isInteger(node) && node >= 0 && node < 16
      if (index === -1 || !isNode(first) || !isNode(second)) throw new RangeError(`no step: ${word}`)
      return stepCode(type as Step['type'], first, second)
    })
}

import type { RingViolation } from '../../../protocols/chord/invariant.ts'
import type { Model, State } from './model.ts'

export interface ExploreLimits {
  /** States that are remembered, at about 20 bytes each. */
  readonly maxStates?: number
  readonly maxDepth?: number
  /** Look for these faults alone, in the ring as it is; by default for all of them, and for a ring that stays broken. */
  readonly only?: readonly RingViolation['type'][]
}

/** Something went wrong, and the fewest steps that lead there. */
export interface Counterexample {
  readonly steps: readonly number[]
  /** Empty if the ring only does not get in order again. */
  readonly violations: readonly RingViolation[]
}

export interface Exploration {
  readonly states: number
  readonly transitions: number
  /** Steps to the states that are farthest. */
  readonly depth: number
  /** States with nothing under way from which the way back to the ideal ring was followed. */
  readonly quiet: number
  /** All there is was seen, or a fault was found. */
  readonly isComplete: boolean
  readonly fault: Counterexample | undefined
}

/** Rounds of stabilization after which a ring must be ideal, for each node. */
export const SETTLE_ROUNDS = 4

/**
 * Breadth first over all that can happen. Every state is checked when it is first seen: a fault is found by a shortest
 * way. States are told apart by 64 bits of hash: among 10^7 two that differ are taken for one with a chance of 3 in 10^6.
 */
export function explore(model: Model, limits: ExploreLimits = {}): Exploration {
  const { maxStates = 20_000_000, maxDepth = Infinity, only } = limits
  const seen = new Seen()
  const settled = new Set<string>()
  let transitions = 0
  let depth = 0
  let isComplete = true
  const size = model.nodes * model.nodes
  const done = (fault?: Counterexample): Exploration => ({
    states: seen.count,
    transitions,
    depth,
    quiet: settled.size,
    isComplete,
    fault
  })
  seen.add(model.start, -1, 0)
  const first = faultIn(model, model.start, settled, only)
  if (first !== undefined) return done({ steps: [], violations: first })
  let frontier = new Rows(size)
  frontier.push(model.start)
  let firstOfFrontier = 0
  while (frontier.count > 0) {
    if (depth >= maxDepth || seen.count >= maxStates) {
      isComplete = false
      break
    }
    const next = new Rows(size)
    const firstOfNext = seen.count
    for (let row = 0; row < frontier.count; row++) {
      const state = frontier.at(row)
      for (const code of model.stepsFrom(state)) {
        transitions++
        const after = model.after(state, code)
        if (!seen.add(after, firstOfFrontier + row, code)) continue
        const violations = faultIn(model, after, settled, only)
        if (violations !== undefined) {
          depth++
          return done({ steps: seen.wayTo(seen.count - 1), violations })
        }
        next.push(after)
      }
      if (seen.count >= maxStates) break
    }
    if (next.count > 0) depth++
    frontier = next
    firstOfFrontier = firstOfNext
  }
  return done()
}

/** What is wrong in this state: undefined if nothing is, empty if it only does not become ideal again. */
export function faultIn(
  model: Model,
  state: State,
  settled: Set<string>,
  only?: ExploreLimits['only']
): readonly RingViolation[] | undefined {
  if (only !== undefined) {
    const found = model.actualVerdict(state).violations.filter(({ type }) => only.includes(type))
    return found.length > 0 ? found : undefined
  }
  const { violations } = model.verdict(state)
  if (violations.length > 0) return violations
  if (!model.isQuiet(state)) return undefined
  const core = model.coreOf(state)
  if (settled.has(core)) return undefined
  if (!model.settles(state, SETTLE_ROUNDS * model.nodes)) return []
  settled.add(core)
  return undefined
}

/** States of one depth, one after another. */
class Rows {
  count = 0
  readonly #size: number
  #data: State

  constructor(size: number) {
    this.#size = size
    this.#data = new Uint32Array(size * 64)
  }

  push(state: State): void {
    if ((this.count + 1) * this.#size > this.#data.length) {
      const grown = new Uint32Array(this.#data.length * 2)
      grown.set(this.#data)
      this.#data = grown
    }
    this.#data.set(state, this.count * this.#size)
    this.count++
  }

  at(row: number): State {
    return this.#data.subarray(row * this.#size, (row + 1) * this.#size)
  }
}

/** Hashes of all states, and how each was reached first. BOUNDED by `maxStates`. */
class Seen {
  count = 0
  #low = new Uint32Array(1024)
  #high = new Uint32Array(1024)
  #parents = new Int32Array(1024)
  #codes = new Uint16Array(1024)
  /** Open addressing; the number of the state and one. */
  #table = new Uint32Array(4096)

  /** False if it was there. */
  add(state: State, parent: number, code: number): boolean {
    const [low, high] = hashOf(state)
    let mask = this.#table.length - 1
    let slot = low & mask
    for (let at: number; (at = this.#table[slot] as number) !== 0; slot = (slot + 1) & mask) {
      if (this.#low[at - 1] === low && this.#high[at - 1] === high) return false
    }
    if (this.count === this.#low.length) this.#grow()
    if (this.count * 2 >= this.#table.length) {
      this.#rehash()
      mask = this.#table.length - 1
      slot = low & mask
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask
    }
    this.#low[this.count] = low
    this.#high[this.count] = high
    this.#parents[this.count] = parent
    this.#codes[this.count] = code
    this.#table[slot] = ++this.count
    return true
  }

  wayTo(state: number): number[] {
    const steps: number[] = []
    for (let at = state; this.#parents[at] !== -1; at = this.#parents[at] as number)
      steps.push(this.#codes[at] as number)
    return steps.reverse()
  }

  #grow(): void {
    const size = this.count * 2
    const copy = <T extends Uint32Array | Int32Array | Uint16Array>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.#low = copy(new Uint32Array(size), this.#low)
    this.#high = copy(new Uint32Array(size), this.#high)
    this.#parents = copy(new Int32Array(size), this.#parents)
    this.#codes = copy(new Uint16Array(size), this.#codes)
  }

  #rehash(): void {
    const table = new Uint32Array(this.#table.length * 2)
    const mask = table.length - 1
    for (let i = 0; i < this.count; i++) {
      let slot = (this.#low[i] as number) & mask
      while (table[slot] !== 0) slot = (slot + 1) & mask
      table[slot] = i + 1
    }
    this.#table = table
  }
}

const hash: [number, number] = [0, 0]

function hashOf(state: State): [number, number] {
  let a = 0x9e3779b9
  let b = 0x85ebca6b
  for (let i = 0; i < state.length; i++) {
    const x = state[i] as number
    a = Math.imul(a ^ x, 0xcc9e2d51)
    a ^= a >>> 15
    b = Math.imul(b + x, 0x1b873593) ^ (b >>> 13)
    b = (b << 7) | (b >>> 25)
  }
  a = Math.imul(a ^ (a >>> 16), 0x21f0aaad)
  b = Math.imul(b ^ (b >>> 15) ^ a, 0x735a2d97)
  hash[0] = (a ^ (a >>> 15)) >>> 0
  hash[1] = (b ^ (b >>> 16)) >>> 0
  return hash
}

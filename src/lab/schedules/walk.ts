import type { RingViolation } from '../../../protocols/chord/invariant.ts'
import { seededRng } from '../../../protocols/core/rng.ts'
import { type Counterexample, faultIn, SETTLE_ROUNDS } from './explore.ts'
import type { Model, State } from './model.ts'
import { stepOf } from './steps.ts'

type Only = readonly RingViolation['type'][] | undefined

/** How likely one of the possible steps is to be next: more happens than fails. */
const WEIGHTS = { deliver: 6, failed: 4, join: 2, stabilize: 2, crash: 1, leave: 1 }

/** One schedule at random, at most so long, and whether the ring gets in order after it. The fault is not shrunk. */
export function walk(model: Model, seed: number, steps: number, only?: Only): Counterexample | undefined {
  const rng = seededRng(seed)
  const settled = new Set<string>()
  const taken: number[] = []
  let state = model.start
  while (taken.length < steps) {
    const codes = model.stepsFrom(state)
    if (codes.length === 0) break
    const weights = codes.map(code => WEIGHTS[stepOf(code).type])
    let draw = rng.below(weights.reduce((sum, weight) => sum + weight, 0))
    const code = codes[weights.findIndex(weight => (draw -= weight) < 0)] as number
    taken.push(code)
    state = model.after(state, code)
    const violations = faultIn(model, state, settled, only)
    if (violations !== undefined) return { steps: taken, violations }
  }
  return only === undefined && staysBroken(model, state) ? { steps: taken, violations: [] } : undefined
}

/** What is seen on the way through a schedule; steps that cannot be taken are passed over. */
export function replay(model: Model, steps: readonly number[], only?: Only): Counterexample | undefined {
  const settled = new Set<string>()
  const taken: number[] = []
  let state = model.start
  for (const code of steps) {
    if (!model.isPossible(state, code)) continue
    taken.push(code)
    state = model.after(state, code)
    const violations = faultIn(model, state, settled, only)
    if (violations !== undefined) return { steps: taken, violations }
  }
  return only === undefined && staysBroken(model, state) ? { steps: taken, violations: [] } : undefined
}

/**
 * A schedule with the same kind of fault from which no step can be left out: pieces are left out while the fault stays,
 * first large ones, then single steps (A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input").
 */
export function shrink(model: Model, found: Counterexample, only?: Only): Counterexample {
  const kind = kindOf(found)
  let best = found
  for (let piece = Math.ceil(best.steps.length / 2); piece >= 1; ) {
    let isShorter = false
    for (let from = 0; from < best.steps.length; ) {
      const rest = [...best.steps.slice(0, from), ...best.steps.slice(from + piece)]
      const again = replay(model, rest, only)
      if (again !== undefined && kindOf(again) === kind && again.steps.length < best.steps.length) {
        best = again
        isShorter = true
      } else from += piece
    }
    if (!isShorter || piece > 1) {
      if (piece === 1) break
      piece = Math.ceil(piece / 2)
    }
  }
  return best
}

function kindOf({ violations }: Counterexample): string {
  return violations[0]?.type ?? 'staysBroken'
}

function staysBroken(model: Model, state: State): boolean {
  return !model.settles(state, SETTLE_ROUNDS * model.nodes)
}

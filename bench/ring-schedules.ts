/**
 * All schedules of a small ring, breadth first: messages in any order, nodes that join, stabilize, crash and leave at any
 * time. Prints how many states there are, or the shortest schedule that breaks the ring, with the command to repeat it.
 * Without `--members` it begins with the ideal rings of r + 1 nodes and more, and with one node alone.
 *
 *     node bench/ring-schedules.ts [--rules corrected] [--nodes 4] [--members 0,1,2 | 3] [--length 2] [--failures 1]
 *                                  [--leaving] [--rounds 1] [--least 3] [--kept 3] [--only noRing,strayed]
 *                                  [--states 5000000] [--walks 1000 [--seed 1] [--steps 150]] [--replay SCHEDULE] [--json]
 */
import { parseArgs } from 'node:util'
import { violationText, violationTypes } from '../protocols/chord/invariant.ts'
import {
  type Counterexample,
  correctedRules,
  explore,
  Model,
  mutants,
  originalRules,
  parseSchedule,
  replay,
  scheduleText,
  shrink,
  startsOf,
  walk
} from '../src/lab/schedules/index.ts'

const { values } = parseArgs({
  options: {
    /** `corrected` (protocols/chord/ring.ts), `original` (SIGCOMM 2001), or a mutant. */
    rules: { type: 'string', default: 'corrected' },
    nodes: { type: 'string', default: '4' },
    /** Which nodes begin, or how many. */
    members: { type: 'string' },
    /** Of a full successor list, r. */
    length: { type: 'string', default: '2' },
    failures: { type: 'string', default: '1' },
    leaving: { type: 'boolean', default: false },
    /** How often each node stabilizes of itself; `any` is without a limit. */
    rounds: { type: 'string', default: '1' },
    /** Principals there must be. */
    least: { type: 'string' },
    /** Principals of which none fails. */
    kept: { type: 'string' },
    only: { type: 'string' },
    states: { type: 'string', default: '5000000' },
    /** So many schedules at random instead of all. */
    walks: { type: 'string' },
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '150' },
    replay: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})

const everyRules = [correctedRules, originalRules, ...mutants]
const rules = everyRules.find(({ name }) => name === values.rules)
if (rules === undefined)
  throw new RangeError(`--rules ${values.rules}: ${everyRules.map(({ name }) => name).join(', ')}`)
const nodes = count('nodes', values.nodes, 1, 16)
const length = count('length', values.length, 1, 16)
const maxStates = count('states', values.states, 1, 100_000_000)
const only = values.only?.split(',').map(name => {
  const type = violationTypes.find(known => known === name)
  if (type === undefined) throw new RangeError(`--only ${name}: ${violationTypes.join(', ')}`)
  return type
})
let isBroken = false
for (const members of starts()) {
  if (run(members)) {
    isBroken = true
    break
  }
}
process.exitCode = isBroken ? 1 : 0

/** Whether a fault was found. */
function run(members: readonly number[]): boolean {
  const create = (): Model =>
    new Model({
      rules: rules as (typeof everyRules)[number],
      nodes,
      length,
      members,
      failures: count('failures', values.failures, 0, 16),
      leaving: values.leaving,
      ...(values.rounds === 'any' ? {} : { rounds: count('rounds', values.rounds, 0, 100) }),
      ...(values.least === undefined ? {} : { leastPrincipals: count('least', values.least, 0, 16) }),
      ...(values.kept === undefined ? {} : { keptPrincipals: count('kept', values.kept, 0, 16) })
    })
  const started = performance.now()
  const { model, fault, ...rest } = values.walks === undefined ? all(create()) : some(create)
  const seconds = (performance.now() - started) / 1000
  const report = { rules: values.rules, nodes, length, members, failures: Number(values.failures), ...rest, seconds }
  if (values.json) {
    const found = fault && {
      steps: scheduleText(fault.steps),
      violations: textsOf(fault),
      lines: linesOf(model, fault)
    }
    console.log(JSON.stringify({ v: 1, type: 'ring-schedules', ...report, ...(found ? { fault: found } : {}) }))
  } else {
    const what = Object.entries(rest).map(([name, value]) => `${name} ${value}`)
    console.log(
      `${values.rules} rules, nodes [${members.join(' ')}] of ${nodes}: ${what.join(', ')}, ${seconds.toFixed(1)} s`
    )
    if (fault !== undefined) {
      for (const line of linesOf(model, fault)) console.log(`  ${line}`)
      for (const text of textsOf(fault)) console.log(text)
      console.log(`again: ${commandOf(members, fault)}`)
    }
  }
  return fault !== undefined
}

function all(model: Model): { model: Model; fault: Counterexample | undefined; [figure: string]: unknown } {
  if (values.replay !== undefined) {
    return { model, fault: replay(model, parseSchedule(values.replay), only), replayed: true }
  }
  return { model, ...explore(model, { maxStates, ...(only === undefined ? {} : { only }) }) }
}

function some(create: () => Model): { model: Model; fault: Counterexample | undefined; walks: number; seed?: number } {
  const walks = count('walks', values.walks as string, 1, 100_000_000)
  const first = count('seed', values.seed, 0, 2 ** 32)
  const steps = count('steps', values.steps, 1, 100_000)
  let model = create()
  for (let i = 0; i < walks; i++) {
    // what was told apart in one is of little use for the next
    if (i % 200 === 0) model = create()
    const found = walk(model, first + i, steps, only)
    if (found !== undefined) return { model, fault: shrink(model, found, only), walks: i + 1, seed: first + i }
  }
  return { model, fault: undefined, walks }
}

function starts(): number[][] {
  if (values.members === undefined) {
    const counts = Array.from({ length: nodes }, (_, i) => i + 1).filter(members => members === 1 || members > length)
    return counts.toReversed().flatMap(members => startsOf(nodes, members))
  }
  if (!values.members.includes(',') && values.members !== '0') {
    return startsOf(nodes, count('members', values.members, 1, nodes))
  }
  return [values.members.split(',').map(member => count('members', member, 0, nodes - 1))]
}

function linesOf(model: Model, fault: Counterexample): string[] {
  let state = model.start
  return fault.steps.map((code, i) => {
    const text = model.describe(state, code)
    state = model.after(state, code)
    return `${String(i + 1).padStart(2)} ${text.padEnd(46)} ${model.placesText(state)}`
  })
}

function textsOf(fault: Counterexample): string[] {
  if (fault.violations.length === 0) return ['from here the ring does not get in order again']
  return fault.violations.map(violation => violationText(violation))
}

function commandOf(members: readonly number[], fault: Counterexample): string {
  const options = (['rules', 'nodes', 'length', 'failures', 'rounds', 'least', 'kept', 'only'] as const).flatMap(
    name => (values[name] === undefined ? [] : [`--${name} ${values[name]}`])
  )
  if (values.leaving) options.push('--leaving')
  const schedule = scheduleText(fault.steps)
  return `node bench/ring-schedules.ts ${options.join(' ')} --members ${members.join(',')} --replay '${schedule}'`
}

function count(name: string, text: string, least: number, most: number): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least && number <= most) return number
  throw new RangeError(`--${name} ${text}: a whole number from ${least} to ${most}`)
}

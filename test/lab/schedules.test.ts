import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import {
  explore,
  Model,
  type ModelConfig,
  mutants,
  originalRules,
  parseSchedule,
  type Rules,
  replay,
  scheduleText,
  shrink,
  startsOf,
  walk
} from '../../src/lab/schedules/index.ts'

const ringOf = (members: number, more: Partial<ModelConfig> = {}): ModelConfig => ({
  nodes: members,
  length: 2,
  members: Array.from({ length: members }, (_, i) => i),
  failures: 1,
  ...more
})

function mutant(name: string): Rules {
  const rules = mutants.find(known => known.name === name)
  assert.ok(rules, name)
  return rules
}

describe('no schedule breaks the ring', () => {
  const spaces: [string, ModelConfig, number][] = [
    ['one alone, two join', ringOf(1, { nodes: 3, failures: 0 }), 24_000],
    ['one alone, two join, one fails', ringOf(1, { nodes: 3 }), 50_000],
    ['three, which may become two', ringOf(3, { leastPrincipals: 1, leaving: true }), 3_000],
    ['three, one joins, one crashes or leaves', ringOf(3, { nodes: 4, leaving: true }), 200_000],
    ['four, which may become two', ringOf(4, { failures: 2, leaving: true, leastPrincipals: 1, rounds: 1 }), 10_000],
    ['four with lists of three, one joins, one crashes', ringOf(4, { nodes: 5, length: 3, rounds: 1 }), 100_000],
    ['five, two crash', ringOf(5, { failures: 2, rounds: 1 }), 100_000]
  ]
  for (const [name, config, states] of spaces) {
    test(name, () => {
      const found = explore(new Model(config))
      assert.deepEqual(found.fault, undefined)
      assert.ok(found.isComplete && found.states >= states, `${found.states} states`)
    })
  }

  test('many nodes, at random', () => {
    const config = { nodes: 9, length: 3, members: [0, 2, 4, 5, 7], failures: 4, leaving: true }
    const model = new Model(config)
    for (let seed = 1; seed <= 150; seed++) {
      const found = walk(model, seed, 200)
      assert.equal(found && `seed ${seed}: ${scheduleText(shrink(model, found).steps)}`, undefined)
    }
  })
})

test('who joins behind a member with a short list does not close it: nodes beyond would be skipped', () => {
  const config = ringOf(4, { nodes: 5 })
  // 3 is dead, 2 knows but 0 after it, and 4 enters between
  const schedule = 'stabilize.0 stabilize.2 crash.3 failed.2.3 deliver.2.0 deliver.0.2 join.4.2 deliver.4.2'
  assert.equal(replay(new Model(config), parseSchedule(schedule)), undefined)
  const found = replay(new Model({ ...config, rules: mutant('closes-short-lists') }), parseSchedule(schedule))
  assert.deepEqual(
    found?.violations.map(({ type }) => type),
    ['fewPrincipals']
  )
  assert.deepEqual(found?.steps.length, 8)
})

test('what a pong brings about is part of a schedule', () => {
  const model = new Model(ringOf(3, { nodes: 4, failures: 0 }))
  // 3 has entered between 2 and 0 and notified 0, when 2, which knows nothing of it, notifies 0 as well
  const schedule =
    'join.3.2 deliver.3.2 deliver.2.3 stabilize.2 deliver.2.0 deliver.3.0 deliver.0.3 deliver.3.0 ' +
    'deliver.0.2 deliver.0.2 deliver.2.0 deliver.0.3 deliver.3.0'
  let state = model.start
  for (const code of parseSchedule(schedule)) {
    assert.ok(model.isPossible(state, code), scheduleText([code]))
    state = model.after(state, code)
  }
  const [next] = parseSchedule('deliver.0.2') as [number]
  assert.ok(model.isPossible(state, next))
  assert.equal(model.describe(state, next), '2 gets look from 0')
})

describe('the original rules are refuted', () => {
  const original = (config: ModelConfig): Model => new Model({ ...config, rules: originalRules, leastPrincipals: 1 })

  test('who has joined with one successor is lost with it', () => {
    const { fault } = explore(original(ringOf(3, { nodes: 4 })), { only: ['strayed'] })
    assert.equal(scheduleText(fault?.steps ?? []), 'crash.0 join.3.2 deliver.3.2 deliver.2.3')
    assert.deepEqual(fault?.violations, [{ type: 'strayed', peer: 3 }])
  })

  test('a predecessor that has failed becomes the only successor', () => {
    const { fault } = explore(original(ringOf(4)), { only: ['noRing'] })
    assert.equal(scheduleText(fault?.steps ?? []), 'stabilize.0 crash.1 failed.0.1 stabilize.0 deliver.0.2 deliver.2.0')
  })

  test('one join and one failure, and there is no ring', () => {
    const { fault } = explore(original(ringOf(3, { nodes: 4, rounds: 1 })), { only: ['noRing'] })
    assert.equal(fault?.steps.length, 12)
    assert.match(scheduleText(fault?.steps ?? []), /join\.3\.2 .* crash\.0 deliver\.0\.2$/)
  })

  test('lists that are copied entry by entry are not in order', () => {
    const model = original(ringOf(4, { failures: 2 }))
    const { fault } = explore(model, { only: ['namesItself', 'namesTwice', 'listDisordered'] })
    assert.ok(fault !== undefined && fault.steps.length <= 13)
  })

  test('the ring becomes two', () => {
    const model = original(ringOf(3, { nodes: 7, failures: 3, leaving: true }))
    let found: ReturnType<typeof walk>
    for (let seed = 1; found === undefined; seed++) found = walk(model, seed, 150, ['severalRings'])
    const short = shrink(model, found, ['severalRings'])
    assert.deepEqual(
      short.violations.map(({ type }) => type),
      ['severalRings']
    )
    for (const i of short.steps.keys()) {
      const again = replay(model, short.steps.toSpliced(i, 1), ['severalRings'])
      assert.ok((again?.steps.length ?? Infinity) >= short.steps.length, `without step ${i} it is shorter`)
    }
  })
})

describe('each rule is needed: with it broken', () => {
  const spaces: [string, ModelConfig, string][] = [
    ['adopts-unproven', ringOf(3, { nodes: 4 }), 'stays broken'],
    ['never-busy', ringOf(4, { nodes: 5, failures: 2, rounds: 1 }), 'fewPrincipals'],
    ['joins-with-one', ringOf(4, { nodes: 5, rounds: 1 }), 'noLiveSuccessor'],
    ['joins-anywhere', ringOf(4, { nodes: 5, rounds: 1 }), 'fewPrincipals'],
    ['closes-short-lists', ringOf(4, { nodes: 5, rounds: 1 }), 'fewPrincipals'],
    ['keeps-old-entries', ringOf(1, { nodes: 3, failures: 0 }), 'stays broken'],
    ['never-notifies', ringOf(1, { nodes: 3, failures: 0 }), 'stays broken'],
    ['keeps-the-dead', ringOf(3, { nodes: 4 }), 'stays broken'],
    ['waits-on-when-busy', ringOf(1, { nodes: 3, failures: 0 }), 'stays broken'],
    ['gives-up-on-a-closer-that-failed', ringOf(3, { nodes: 4 }), 'stays broken'],
    ['believes-who-leaves', ringOf(5, { failures: 2, rounds: 2, leaving: true }), 'noLiveSuccessor']
  ]
  for (const [name, config, fault] of spaces) {
    test(`${name}: ${fault}`, () => {
      const found = explore(new Model({ ...config, rules: mutant(name) }), { maxStates: 1_000_000 })
      assert.equal(found.fault && (found.fault.violations[0]?.type ?? 'stays broken'), fault)
    })
  }

  test('but a wrong predecessor only costs time: who takes it for a successor asks it first', () => {
    const tolerated = ['clears-predecessor', 'believes-every-notify', 'ignores-pong']
    for (const name of tolerated) {
      const found = explore(new Model({ ...ringOf(3, { nodes: 4, rounds: 1 }), rules: mutant(name) }))
      assert.ok(found.isComplete && found.fault === undefined, name)
    }
    assert.deepEqual(
      mutants.map(({ name }) => name).toSorted(),
      [...spaces.map(([name]) => name), ...tolerated].toSorted()
    )
  })
})

test('a schedule as text and back', () => {
  const text = 'deliver.3.15 failed.0.1 join.4.2 stabilize.7 crash.12 leave.0'
  assert.equal(scheduleText(parseSchedule(text)), text)
  for (const wrong of ['', 'sleep.1', 'crash.16', 'crash', 'join.1.x']) {
    assert.throws(() => parseSchedule(wrong), RangeError, wrong)
  }
})

test('starts are told apart up to turns', () => {
  assert.deepEqual(startsOf(5, 3), [
    [0, 1, 2],
    [0, 1, 3]
  ])
  assert.deepEqual(startsOf(4, 4), [[0, 1, 2, 3]])
  assert.equal(startsOf(6, 3).length, 4)
})

test('by hand: a counterexample, and the command that repeats it', async () => {
  const bench = join(import.meta.dirname, '../../bench/ring-schedules.ts')
  const run = async (...args: string[]): Promise<{ code: number; stdout: string }> =>
    promisify(execFile)(process.execPath, [bench, ...args]).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error
    )
  const args = [
    '--rules',
    'original',
    '--nodes',
    '4',
    '--members',
    '4',
    '--least',
    '1',
    '--only',
    'noRing',
    '--rounds',
    'any'
  ]
  const { code, stdout } = await run(...args)
  assert.equal(code, 1)
  assert.match(stdout, /0 gets place 1<\[3 0\] from 2.*\nthere is no ring\nagain: node bench\/ring-schedules\.ts /)
  const [, again] = stdout.match(/^again: node \S+ (.*)$/m) as RegExpMatchArray
  const words = [...(again as string).matchAll(/'([^']*)'|(\S+)/g)].map(match => match[1] ?? (match[2] as string))
  const repeated = await run(...words)
  assert.equal(repeated.code, 1)
  assert.match(repeated.stdout, /there is no ring/)
  const { fault, ...figures } = JSON.parse((await run('--json', '--members', '3', '--nodes', '3')).stdout)
  assert.equal(fault, undefined)
  assert.equal(figures.isComplete, true)
})

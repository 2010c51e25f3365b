/**
 * One seed to one leech over loopback, from disk to disk, both verifying, beside a bare libp2p stream between the same
 * two processes. Prints MiB/s, their ratio, CPU seconds per GiB and the most memory of each side.
 *
 *     node bench/transfer.ts [--mib 1024] [--rounds 3] [--default-gc] [--json]
 *
 * `--default-gc` leaves V8's garbage collector as it is: for both, so that it shows what our settings are worth.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { sha256OfFile, writeRandomFile } from '../src/testkit/files.ts'
import type { Order } from './transfer-peer.ts'

const MIB = 1024 * 1024
const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    'default-gc': { type: 'boolean', default: false }
  }
})
const SETTINGS = values['default-gc'] ? ['compile-cache'] : ['compile-cache', 'young-generation']
const mib = Number(values.mib)
const rounds = Number(values.rounds)

interface Cost {
  cpuSeconds: number
  maxResidentBytes: number
}

class Side {
  readonly #child = fork(join(import.meta.dirname, 'transfer-peer.ts'), {
    // before any other module, as bin/shoal.ts has it
    execArgv: SETTINGS.flatMap(module => ['--import', new URL(`../src/${module}.ts`, import.meta.url).href]),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #number = 0

  constructor() {
    this.#child.on('message', ({ number, value, error }: { number: number; value: unknown; error?: string }) => {
      const waiting = this.#waiting.get(number)
      if (error === undefined) waiting?.resolve(value)
      else waiting?.reject(new Error(error))
    })
    this.#child.on('exit', code => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a side ended with ${code}`))
    })
  }

  do<T>(order: Order): Promise<T> {
    const number = this.#number++
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject })
      this.#child.send({ ...order, number })
    })
  }

  end(): void {
    this.#child.kill()
  }
}

const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-'))
const seed = new Side()
const leech = new Side()
try {
  const file = join(folder, 'payload.bin')
  await writeRandomFile(file, mib * MIB, 1)
  const expected = await sha256OfFile(file)

  const started = await seed.do<{ address: string; magnet: string }>({
    do: 'start',
    home: join(folder, 'seed'),
    share: file,
    peers: []
  })
  await leech.do({ do: 'start', home: join(folder, 'leech'), peers: [started.address] })

  const results = []
  for (let round = 0; round < rounds; round++) {
    await seed.do<Cost>({ do: 'cost' })
    await leech.do<Cost>({ do: 'cost' })
    const out = join(folder, `out${round}`)
    const fetched = await leech.do<{ seconds: number }>({ do: 'get', target: started.magnet, out })
    const [seedCost, leechCost] = [await seed.do<Cost>({ do: 'cost' }), await leech.do<Cost>({ do: 'cost' })]
    if ((await sha256OfFile(join(out, basename(file)))) !== expected) throw new Error('the file that arrived is wrong')
    rmSync(out, { recursive: true })

    // the seed sends in the raw run too: the leech asks it to dial back
    const { address } = await leech.do<{ address: string }>({ do: 'address' })
    const raw = await seed.do<{ seconds: number }>({ do: 'raw', to: address, bytes: mib * MIB })
    const [rawSeed, rawLeech] = [await seed.do<Cost>({ do: 'cost' }), await leech.do<Cost>({ do: 'cost' })]
    results.push({
      exchange: mib / fetched.seconds,
      raw: mib / raw.seconds,
      ratio: raw.seconds / fetched.seconds,
      seedCpuPerGib: (seedCost.cpuSeconds * 1024) / mib,
      leechCpuPerGib: (leechCost.cpuSeconds * 1024) / mib,
      rawSeedCpuPerGib: (rawSeed.cpuSeconds * 1024) / mib,
      rawLeechCpuPerGib: (rawLeech.cpuSeconds * 1024) / mib,
      seedResidentMib: seedCost.maxResidentBytes / MIB,
      leechResidentMib: leechCost.maxResidentBytes / MIB
    })
    if (!values.json) print(results.at(-1) as Result)
  }
  const sorted = results.toSorted((a, b) => a.ratio - b.ratio)
  const median = sorted[Math.floor(sorted.length / 2)] as Result
  if (values.json) console.log(JSON.stringify({ v: 1, type: 'bench-transfer', mib, rounds: results, median }))
  else console.log(`\nmedian of ${rounds}: ${median.ratio.toFixed(2)} of the raw libp2p stream`)
  await Promise.all([seed.do({ do: 'stop' }).catch(() => {}), leech.do({ do: 'stop' }).catch(() => {})])
} finally {
  seed.end()
  leech.end()
  rmSync(folder, { recursive: true, force: true })
}

type Result = Record<
  | 'exchange'
  | 'raw'
  | 'ratio'
  | 'seedCpuPerGib'
  | 'leechCpuPerGib'
  | 'rawSeedCpuPerGib'
  | 'rawLeechCpuPerGib'
  | 'seedResidentMib'
  | 'leechResidentMib',
  number
>

function print(result: Result): void {
  const one = (value: number): string => value.toFixed(1)
  console.log(
    `exchange ${one(result.exchange)} MiB/s, raw ${one(result.raw)} MiB/s: ${result.ratio.toFixed(2)}; ` +
      `CPU s/GiB seed ${one(result.seedCpuPerGib)} (raw ${one(result.rawSeedCpuPerGib)}), ` +
      `leech ${one(result.leechCpuPerGib)} (raw ${one(result.rawLeechCpuPerGib)}); ` +
      `most resident MiB seed ${one(result.seedResidentMib)}, leech ${one(result.leechResidentMib)}`
  )
}

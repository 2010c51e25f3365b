/**
 * Whole peers in one process, on the loopback interface: how soon a search has its first hit and its first proven one,
 * whether it finds every holder, and what it costs. Each peer knows three others at its start and finds its neighbours
 * through them.
 *
 *     node bench/search.ts [--peers 50] [--searches 100] [--seed 1] [--json]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { seededRng } from '../protocols/core/rng.ts'
import { createNode, type ShoalNode } from '../src/node.ts'
import { eventually } from '../src/testkit/wait.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '50' },
    searches: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false }
  }
})
const count = Number(values.peers)
const searches = Number(values.searches)
const seed = Number(values.seed)
if (!(Number.isInteger(count) && count >= 8)) throw new RangeError(`--peers ${values.peers}: at least eight`)
const FILES = 60
const LEAST_HOLDERS = 3
const MOST_HOLDERS = 6
const FILE_BYTES = 40_000

const rng = seededRng(seed)
const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-search-'))
const nodes: ShoalNode[] = []
const everybody = Array.from({ length: count }, (_, i) => i)
const holders = Array.from({ length: FILES }, () =>
  rng.sample(everybody, LEAST_HOLDERS + rng.below(MOST_HOLDERS - LEAST_HOLDERS + 1))
)

interface Found {
  firstMs: number
  provenMs: number
  recall: number
  messages: number
  peersAsked: number
}

async function search(from: ShoalNode, file: number, expected: number): Promise<Found> {
  const started = performance.now()
  const found = { firstMs: Number.POSITIVE_INFINITY, provenMs: Number.POSITIVE_INFINITY, messages: 0, peersAsked: 0 }
  const named = new Set<string>()
  for await (const event of from.search(`needle${file}`)) {
    const elapsed = performance.now() - started
    if (event.type === 'result') {
      found.firstMs = Math.min(found.firstMs, elapsed)
      if (event.result.state === 'proven') found.provenMs = Math.min(found.provenMs, elapsed)
      for (const holder of event.result.holders) named.add(holder)
    } else if (event.type === 'done') {
      found.messages = event.messages
      found.peersAsked = event.peersAsked
    }
  }
  return { ...found, recall: named.size / expected }
}

function quantile(numbers: readonly number[], share: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(share * numbers.length))] as number
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}

try {
  for (const i of everybody) {
    const known = await Promise.all(
      rng.sample(nodes, 3).map(async node => (await node.status()).addresses[0] as string)
    )
    const home = join(folder, `home${i}`)
    nodes.push(await createNode({ home, interfaces: ['lo'], discovery: false, watch: false, peers: known }))
  }
  for (const i of everybody) {
    const place = join(folder, `share${i}`)
    mkdirSync(place)
    for (const [file, having] of holders.entries()) {
      // the same bytes at each holder, and others for each file
      if (having.includes(i)) writeFileSync(join(place, `needle${file}.bin`), Buffer.alloc(FILE_BYTES, file + 1))
    }
    for await (const _ of (nodes[i] as ShoalNode).share([place]));
  }
  await eventually(
    'everybody has two neighbours',
    async () => {
      const neighbours = await Promise.all(nodes.map(async node => (await node.status()).peers.neighbours))
      if (neighbours.some(number => number < 2)) throw new Error(`neighbours of each: ${neighbours.join(' ')}`)
      return true
    },
    120_000
  )

  const results: Found[] = []
  while (results.length < searches) {
    const file = rng.below(FILES)
    const having = holders[file] as number[]
    const from = rng.below(count)
    if (!having.includes(from)) results.push(await search(nodes[from] as ShoalNode, file, having.length))
  }
  const all = (key: keyof Found): number[] => results.map(found => found[key])
  const result = {
    peers: count,
    searches,
    seed,
    firstHitMs: { p50: quantile(all('firstMs'), 0.5), p95: quantile(all('firstMs'), 0.95) },
    provenMs: { p50: quantile(all('provenMs'), 0.5), p95: quantile(all('provenMs'), 0.95) },
    recall: mean(all('recall')),
    messages: mean(all('messages')),
    peersAsked: mean(all('peersAsked'))
  }
  if (values.json) console.log(JSON.stringify({ v: 1, type: 'bench-search', ...result }))
  else {
    const ms = ({ p50, p95 }: { p50: number; p95: number }): string =>
      `p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`
    console.log(
      `${count} peers in one process, ${searches} searches for files with ${LEAST_HOLDERS} to ${MOST_HOLDERS} holders, seed ${seed}`
    )
    console.log(`first hit: ${ms(result.firstHitMs)}; first proven: ${ms(result.provenMs)}`)
    console.log(
      `recall ${(100 * result.recall).toFixed(1)} %; ${result.messages.toFixed(0)} messages and ` +
        `${result.peersAsked.toFixed(1)} peers asked a search`
    )
  }
} finally {
  await Promise.all(nodes.map(node => node.close()))
  rmSync(folder, { recursive: true, force: true })
}

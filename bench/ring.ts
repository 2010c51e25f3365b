/**
 * A perfect Chord ring of many nodes in virtual time, from one seed, and lookups of random keys from random nodes.
 * Prints how long the ring took and what a node of it costs in memory, then how many lookups and events (an event is one
 * input of a machine) there were in a second, by the clock and by the processor's time.
 *
 *     npm run bench:ring -- [--nodes 10000] [--lookups 100000] [--mode recursive|iterative] [--seed 1] [--json]
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Peer } from '../protocols/core/peer.ts'
import { LookupTally } from '../src/lab/lookup-tally.ts'
import { RingNetwork, withoutUpkeep } from '../src/lab/ring-network.ts'
import { Simulation } from '../src/simulator/index.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10000' },
    lookups: { type: 'string', default: '100000' },
    mode: { type: 'string', default: 'recursive' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false }
  }
})
const [nodes, lookups, seed] = [Number(values.nodes), Number(values.lookups), Number(values.seed)]
const { mode } = values
if (!(Number.isInteger(nodes) && nodes >= 2)) throw new RangeError(`--nodes ${values.nodes}: at least two`)
if (!(Number.isInteger(lookups) && lookups >= 1)) throw new RangeError(`--lookups ${values.lookups}: at least one`)
if (mode !== 'recursive' && mode !== 'iterative') throw new RangeError(`--mode ${mode}: recursive or iterative`)

/** Lookups that begin in one step of virtual time, by the number of nodes: many are under way at once, as they would be. */
const SHARE = 0.01
const STEP_MS = 100

const before = memory()
const building = stopwatch()
const simulation = new Simulation({ seed, trace: false })
const network = new RingNetwork(simulation, { config: withoutUpkeep })
const peers = network.addRing(nodes)
const sorted = network.sorted(peers)
const built = building()
const heapBytes = (memory() - before) / nodes
const fingers = peers.slice(0, 1_000).map(peer => network.node(peer).fingers.length)

const tally = new LookupTally()
const looking = stopwatch()
for (let begun = 0; begun < lookups; ) {
  const end = Math.min(lookups, begun + Math.ceil(nodes * SHARE))
  for (; begun < end; begun++) begin(simulation.rng.pick(peers))
  simulation.run(simulation.now + STEP_MS)
}
simulation.runUntil(() => network.lookupsOpen === 0, network.config.lookupMs)
const took = looking()

const { inputs, connections } = simulation.stats
const result = {
  nodes,
  lookups,
  mode,
  seed,
  hops: tally.mean('hops'),
  wrong: tally.wrong + tally.failed,
  mostFingers: Math.max(...fingers),
  ringSeconds: built.seconds,
  ringCpuSeconds: built.cpuSeconds,
  heapBytesPerNode: Math.round(heapBytes),
  seconds: took.seconds,
  cpuSeconds: took.cpuSeconds,
  events: inputs,
  eventsPerCpuSecond: Math.round(inputs / took.cpuSeconds),
  lookupsPerCpuSecond: Math.round(lookups / took.cpuSeconds),
  connectionsPerNode: (2 * connections) / nodes,
  residentGiB: process.resourceUsage().maxRSS / 2 ** 20
}
if (values.json) console.log(JSON.stringify({ v: 1, type: 'bench-ring', ...result }))
else {
  console.log(
    `${nodes} nodes after ${built.seconds.toFixed(1)} s (${built.cpuSeconds.toFixed(1)} s of processor time), ` +
      `${result.heapBytesPerNode} bytes each; at most ${result.mostFingers} fingers`
  )
  console.log(
    `${lookups} ${mode} lookups in ${took.seconds.toFixed(1)} s (${took.cpuSeconds.toFixed(1)} s): ` +
      `${result.lookupsPerCpuSecond} a second of processor time, ${result.eventsPerCpuSecond} events`
  )
  console.log(
    `${result.hops.toFixed(3)} hops to the owner, ${result.wrong} wrong or not found; ` +
      `${result.connectionsPerNode.toFixed(1)} connections of a node, at most ${result.residentGiB.toFixed(2)} GiB resident`
  )
}

function begin(from: Peer): void {
  const key = network.randomKey(simulation.rng)
  network.lookup(from, key, found => tally.add(found, network.ownerOf(key, sorted)), mode as 'recursive' | 'iterative')
}

function stopwatch(): () => { seconds: number; cpuSeconds: number } {
  const started = performance.now()
  const cpu = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(cpu)
    return { seconds: (performance.now() - started) / 1_000, cpuSeconds: (user + system) / 1e6 }
  }
}

/** Bytes that cannot be collected, in V8's heap and in typed arrays. */
function memory(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

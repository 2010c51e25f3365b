import assert from 'node:assert/strict'
import { test } from 'node:test'
import { violationText } from '../../../protocols/chord/invariant.ts'
import { RingWatch } from '../../../protocols/chord/ring-watch.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { RingNetwork } from '../../../src/lab/ring-network.ts'
import { Simulation } from '../../../src/simulator/index.ts'

const SECOND = 1_000
const seed = Number(process.env.SHOAL_SEED ?? 1)
const EVENTS = Number(process.env.SHOAL_EVENTS ?? 10_000_000)
/** Nodes, and how many inputs of machines are checked with so many; the same share for each. */
const SIZES = (process.env.SHOAL_NODES ?? '8,24,64,250,1000').split(',').map(Number)

interface Tally {
  events: number
  joins: number
  crashes: number
  leaves: number
  spared: number
}

/**
 * Nodes join, leave and crash all the time, while messages are delayed and some are lost; after every event that has
 * changed a place the whole ring is checked. Nobody goes who is the last living successor of another: the assumption
 * under which the rules are correct, and which is all but certain when lists are long.
 */
function churn(nodes: number, events: number): Tally {
  const tally = { events: 0, joins: 0, crashes: 0, leaves: 0, spared: 0 }
  const simulation = new Simulation({ seed: seed * 1_000 + nodes, trace: false, loss: 0.01 })
  // a few nodes in a hurry, so that changes meet
  const config = {
    stabilizeMs: [1_000, 3_000],
    uniteMs: 10_000,
    fingerMs: 5_000,
    successors: nodes < 20 ? 4 : 8
  } as const
  let changes = 0
  const ring = new RingNetwork(simulation, {
    config,
    onRing: peer => {
      changes++
      watch.set(peer, ring.node(peer).place)
      const [violation] = watch.violations()
      if (violation === undefined) return
      const command = `SHOAL_SEED=${seed} SHOAL_EVENTS=${EVENTS} node --test test/protocols/chord/correctness.test.ts`
      throw new Error(`${nodes} nodes, ${simulation.now} ms: ${violationText(violation)}; again: ${command}`)
    }
  })
  const watch = new RingWatch({ idOf: ring.idOf, length: config.successors, leastPrincipals: config.successors + 1 })
  const { rng } = simulation
  for (const peer of ring.addRing(nodes)) watch.set(peer, ring.node(peer).place)

  const contacts = new Set<Peer>()
  const join = (): void => {
    const [peer] = simulation.addPeers(1) as [Peer]
    const contact = rng.pick(simulation.alive().filter(other => ring.node(other).place.successors.length > 0))
    contacts.add(contact)
    simulation.at(simulation.now + 20 * SECOND, () => contacts.delete(contact))
    ring.channel.command(peer, { type: 'join', contact })
    tally.joins++
  }
  const go = (leaves: boolean): void => {
    const peer = rng.pick(simulation.alive())
    if (contacts.has(peer) || !mayGo(peer)) {
      tally.spared++
      return
    }
    if (leaves) {
      ring.channel.command(peer, { type: 'leave' })
      tally.leaves++
    } else tally.crashes++
    simulation.crash(peer)
    watch.remove(peer)
    assert.deepEqual(watch.violations(), [])
  }
  /** Everybody else keeps a successor that is there, and enough nodes are in nobody's blind spot. */
  const mayGo = (peer: Peer): boolean => {
    if (watch.principalCount <= config.successors + 1) return false
    return simulation.alive().every(other => {
      const { successors } = ring.node(other).place
      return (
        other === peer || successors.length === 0 || successors.some(next => next !== peer && simulation.isAlive(next))
      )
    })
  }

  // a twentieth of the nodes changes in ten seconds
  const everyMs = Math.max(50, Math.round(100_000 / nodes))
  while (simulation.stats.inputs < events) {
    const alive = simulation.alive().length
    const kind = rng.unit()
    if (alive < nodes * 0.9 || (kind < 0.5 && alive < nodes * 1.1)) join()
    else go(kind > 0.75)
    simulation.run(simulation.now + Math.ceil(everyMs * (0.5 + rng.unit())))
  }
  tally.events = simulation.stats.inputs
  assert.ok(changes > 100)
  return tally
}

for (const nodes of SIZES) {
  test(`the ring holds at every moment while about ${nodes} nodes come and go (SHOAL_SEED=${seed})`, context => {
    const { events, joins, crashes, leaves, spared } = churn(nodes, Math.ceil(EVENTS / SIZES.length))
    context.diagnostic(`${events} events: ${joins} joins, ${crashes} crashes, ${leaves} leaves, ${spared} spared`)
    assert.ok(joins > 20 && crashes > 10 && leaves > 10)
  })
}

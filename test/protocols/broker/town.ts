import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import { BrokerWorld, type WorldInit } from './world.ts'

export const seed = Number(process.env.SHOAL_SEED ?? 1)

/** A scenario that fails says how to see it fail again. */
export function scenario(file: string, name: string, run: () => void): void {
  test(`${name} (SHOAL_SEED=${seed})`, () => {
    try {
      run()
    } catch (error) {
      console.error(`again: SHOAL_SEED=${seed} node --test ${file}`)
      throw error
    }
  })
}

export interface Town extends BrokerWorld {
  brokers: Peer[]
  hosts: Peer[]
  owner: Peer
}

/** Five brokers that offer nothing, hosts, and one who owns something. */
export function town(hostCount: number, init: Partial<WorldInit> = {}): Town {
  const world = new BrokerWorld({ seed, ...init }) as Town
  const peers = world.add(5 + hostCount + 1, all => all.slice(0, 5))
  world.brokers = peers.slice(0, 5)
  world.hosts = peers.slice(5, -1)
  world.owner = peers.at(-1) as Peer
  for (const host of world.hosts) world.offer(host)
  world.run(1_000)
  return world
}

export function assertQuiet(world: BrokerWorld): void {
  assert.deepEqual(world.simulation.penalties(), [])
}

/** The broker that acts for an item: the one that has asked hosts for something. */
export function acting(world: Town): Peer {
  const [broker, ...others] = world.brokers.filter(
    peer => world.simulation.isAlive(peer) && world.machine(peer).usage.decisions > 0
  )
  assert.deepEqual(others, [])
  return broker as Peer
}

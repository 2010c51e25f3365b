import { hash } from 'node:crypto'
import type { Infohash } from '../../../protocols/core/ids.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import type { Rng } from '../../../protocols/core/rng.ts'
import { Simulation } from '../../simulator/index.ts'
import { BrokerNetwork } from '../broker-network.ts'
import { experiment, type Row } from '../experiment.ts'

const GIB = 2 ** 30
const MINUTE = 60_000
const OFFER = { minBytes: 10 * GIB, maxBytes: 10_000 * GIB, shape: 1.2 }
const ITEM_SHAPE = 1.5
/** Largest item, of the smallest. */
const ITEM_SPAN = 30
const BROKERS_EACH = 20
const HOSTS_OF_DOMAIN = 20
const ITEMS_OF_OWNER = 50

/** What happens one after the other; each begins when the one before it is over. */
const STEPS = ['filled', 'one host lost', '1 % lost', 'a domain lost'] as const

export default experiment({
  name: 'broker-placement',
  summary: 'how evenly brokers fill hosts of uneven offers, and what moves when hosts are lost',
  settings: {
    hosts: 300,
    /** For each host. The copies of one are three times as many. */
    items: 40,
    copies: 3,
    fill: 0.6,
    /** Of the brokers, at once, when half of the items are ordered. */
    brokersLost: [0, 0.1],
    minutes: 480
  },
  seeds: 3,
  cases: ({ brokersLost }) => brokersLost.map(share => ({ brokersLost: share })),
  by: { brokersLost: 'brokers lost', step: 'step' },
  values: {
    most: { title: 'fill, most of mean', as: { digits: 3 } },
    least: { title: 'least of mean', as: { digits: 3 }, print: false },
    mean: { title: 'mean fill', as: { digits: 3 } },
    whole: { title: 'used of offered', as: { digits: 3 } },
    copies: { title: 'items with all copies', as: 'percent' },
    apart: { title: 'copies in domains of their own', as: 'percent' },
    moved: { title: 'bytes moved, of the least', as: { digits: 3 } },
    decisions: { title: 'hosts asked, of copies made', as: { digits: 3 } }
  },
  run({ seed, settings, case: { brokersLost }, progress }) {
    const simulation = new Simulation({ seed, trace: false })
    const network = new BrokerNetwork(simulation, { graceMs: 0, auditMs: 0 })
    const { rng } = simulation
    const brokers = simulation.addPeers(Math.max(3, Math.round(settings.hosts / BROKERS_EACH)))
    const hosts = simulation.addPeers(settings.hosts)
    const owners = simulation.addPeers(Math.ceil((settings.hosts * settings.items) / ITEMS_OF_OWNER))
    for (const peer of [...brokers, ...hosts, ...owners]) {
      network.channel.command(peer, { type: 'brokers', peers: brokers })
    }
    const offered = offerAll(network, hosts, rng)
    simulation.run(MINUTE)

    const sizes = sizesOf(settings.hosts * settings.items, (offered * settings.fill) / settings.copies, rng)
    const endMs = simulation.now + settings.minutes * MINUTE
    const stepMs = (endMs - simulation.now) / sizes.length
    for (const [i, size] of sizes.entries()) {
      const infohash = hash('sha256', `item ${i}`) as Infohash
      const put = { type: 'put', infohash, size, copies: settings.copies, name: '' } as const
      simulation.at(simulation.now + i * stepMs, () => network.channel.command(owners[i % owners.length] as Peer, put))
    }
    const lost = rng.sample(brokers, Math.round(brokersLost * brokers.length))
    simulation.at((simulation.now + endMs) / 2, () => {
      for (const broker of lost) simulation.crash(broker)
      const left = brokers.filter(broker => simulation.isAlive(broker))
      // what the super-peers tell one another takes a while
      simulation.at(simulation.now + MINUTE, () => {
        for (const peer of simulation.alive()) network.channel.command(peer, { type: 'brokers', peers: left })
      })
    })

    const rows: Row[] = []
    for (const [i, step] of STEPS.entries()) {
      const before = { moved: network.moved, decisions: network.decisions(brokers) }
      const bytes = step === 'filled' ? sum(sizes) * settings.copies : lose(simulation, network, hosts, step)
      const untilMs = step === 'filled' ? endMs + 3 * MINUTE : simulation.now + 10 * MINUTE
      for (let at = simulation.now; at < untilMs; at += MINUTE) {
        simulation.run(Math.min(at + MINUTE, untilMs))
        progress((i + at / untilMs) / STEPS.length)
      }
      const holders = [...network.holders()].filter(([, those]) => those.length > 0)
      const { shares, whole } = network.fill()
      const mean = sum(shares) / shares.length
      const placed = holders.reduce((count, [, those]) => count + those.length, 0)
      const apart = holders.filter(
        ([, those]) => new Set(those.map(host => network.domainOf(host))).size === those.length
      )
      const made = step === 'filled' ? placed : ((network.moved - before.moved) / (network.moved || 1)) * placed
      const asked = network.decisions(brokers) - before.decisions
      rows.push({
        step,
        most: shares.reduce((most, share) => Math.max(most, share), 0) / mean,
        least: shares.reduce((least, share) => Math.min(least, share), 1) / mean,
        mean,
        whole,
        copies: holders.filter(([, those]) => those.length === settings.copies).length / sizes.length,
        apart: apart.length / holders.length,
        moved: (network.moved - before.moved) / bytes,
        // those that a broker asked that was lost are not known
        ...(step === 'filled' && brokersLost === 0 ? { decisions: asked / made } : {})
      })
    }
    return rows
  },
  published: [
    {
      value: 'most',
      where: { step: 'filled' },
      figure: 1.05,
      evidence: 'goal',
      source: 'at most',
      setup: { hosts: 10_000 }
    },
    {
      value: 'apart',
      where: { step: 'filled' },
      figure: 1,
      evidence: 'goal',
      source: 'always',
      setup: { hosts: 10_000 }
    },
    ...STEPS.slice(1).map(step => ({
      value: 'moved',
      where: { step },
      figure: 1.1,
      evidence: 'goal' as const,
      source: 'at most',
      setup: { hosts: 10_000 }
    }))
  ],
  plots: [{ title: 'Bytes moved, of the least', x: 'step', y: ['moved'], series: 'brokersLost' }]
})

/** Gives each host its offer: what a few have is as much as what all others have. Returns the sum in bytes. */
function offerAll(network: BrokerNetwork, hosts: readonly Peer[], rng: Rng): number {
  let offered = 0
  for (const [i, host] of hosts.entries()) {
    const bytes = Math.floor(pareto(rng, OFFER.shape, OFFER.minBytes, OFFER.maxBytes))
    offered += bytes
    network.offer(host, {
      bytes,
      usedBytes: 0,
      uptimeMs: Math.floor(pareto(rng, 1, 10 * MINUTE, 100 * 24 * 60 * MINUTE)),
      uploadBytesPerS: Math.floor(pareto(rng, 1, 100_000, 100_000_000)),
      load: rng.unit(),
      domain: `domain ${Math.floor(i / HOSTS_OF_DOMAIN)}`
    })
  }
  return offered
}

/** Sizes that add up to so many bytes. */
function sizesOf(count: number, bytes: number, rng: Rng): number[] {
  const sizes = Array.from({ length: count }, () => pareto(rng, ITEM_SHAPE, 1, ITEM_SPAN))
  const scale = bytes / sum(sizes)
  return sizes.map(size => Math.ceil(size * scale))
}

/** Crashes hosts. Returns the bytes that have to be moved at least. */
function lose(
  simulation: Simulation,
  network: BrokerNetwork,
  hosts: readonly Peer[],
  step: (typeof STEPS)[number]
): number {
  const alive = hosts.filter(host => simulation.isAlive(host))
  const count = step === 'one host lost' ? 1 : Math.round(hosts.length / 100)
  const domain = network.domainOf(simulation.rng.pick(alive))
  const lost =
    step === 'a domain lost'
      ? alive.filter(host => network.domainOf(host) === domain)
      : simulation.rng.sample(alive, count)
  const bytes = sum(lost.flatMap(host => [...network.kept(host).values()]))
  for (const host of lost) simulation.crash(host)
  return bytes
}

function pareto(rng: Rng, shape: number, least: number, most: number): number {
  return Math.min(most, least / (1 - rng.unit()) ** (1 / shape))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../protocols/core/peer.ts'
import { DirectoryNetwork, type Got } from '../../src/lab/directory-network.ts'
import { Liars } from '../../src/lab/liars.ts'
import { Simulation } from '../../src/simulator/index.ts'

test('who lies about one key puts and gets others as everybody does', () => {
  const simulation = new Simulation({ seed: 1, trace: false })
  const liars: { all?: Liars } = {}
  const network = new DirectoryNetwork(simulation, {
    disguise: {
      ring: (peer, machine) => liars.all?.disguise.ring(peer, machine),
      directory: (peer, machine) => liars.all?.disguise.directory(peer, machine)
    }
  })
  const all = new Liars(network.ring.idOf)
  liars.all = all
  const peers = network.addRing(40)
  const [liar, other] = peers as [Peer, Peer]
  all.hide(network.ring.keyOf('hidden'), [liar])
  const get = (peer: Peer, text: string): Got | undefined => {
    let result: { got: Got | undefined } | undefined
    network.get(peer, network.ring.keyOf(text), got => {
      result = { got }
    })
    assert.ok(simulation.runUntil(() => result !== undefined, 120_000))
    return result?.got
  }
  for (const [publisher, text] of [
    [liar, 'by the liar'],
    [other, 'by another']
  ] as const) {
    network.put(publisher, { kind: 'member', key: network.ring.keyOf(text), payload: new Uint8Array(10) })
    simulation.run(simulation.now + 5_000)
    for (const asker of [liar, other]) assert.equal(get(asker, text)?.entries.length, 1, `${text}, for ${asker}`)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../protocols/core/peer.ts'
import type { Query } from '../../../protocols/search/index.ts'
import { type HolderHits, MemoryCatalogueStore } from '../../../protocols/superpeer/index.ts'
import { fileId, itemNamed, SuperWorld } from './world.ts'

const [SUPERS, CLIENTS, ROUNDS, TOPICS] = [10, 70, 20, 7]
/** A fifth: one hides, one tells what nobody has, in the name of whoever there is. */
const [HIDES, SPAMS] = [0, 1] as Peer[] as [Peer, Peer]

class HidingStore extends MemoryCatalogueStore {
  override search(): HolderHits[] {
    return []
  }
}

class SpamStore extends MemoryCatalogueStore {
  #count = 0

  override search(query: Query): HolderHits[] {
    const text = query.kind === 'words' ? query.text : query.id
    return Array.from({ length: 30 }, (_, i) => ({
      holder: (SUPERS + i) as Peer,
      hits: [itemNamed(`spam ${text} ${this.#count++}`)]
    }))
  }
}

test('with a fifth of the super-peers hostile, searches find what there is; those lose clients and no others do', () => {
  const seed = 1
  const world = new SuperWorld({ seed, trace: false, answers: peer => peer !== HIDES && peer !== SPAMS })
  world.stores.set(HIDES, new HidingStore())
  world.stores.set(SPAMS, new SpamStore())
  const peers = world.simulation.addPeers(SUPERS + CLIENTS)
  const [supers, clients] = [peers.slice(0, SUPERS), peers.slice(SUPERS)]
  world.say(supers, { type: 'role', role: 'super' })
  world.say(clients, { type: 'role', role: 'peer' })
  const topicOf = (peer: Peer): number => Number(peer) % TOPICS
  for (const peer of clients) {
    const items = [0, 1, 2].map(i => itemNamed(`part${i} topic${topicOf(peer)} of${peer}`))
    world.supers.command(peer, { type: 'catalogue', items })
  }
  world.say(clients, { type: 'known', peers: supers })
  world.runFor(60_000)

  const having = (peer: Peer): number => clients.filter(client => world.machine(client).supers.includes(peer)).length
  const before = having(HIDES)
  const was = new Map(clients.map(peer => [peer, new Set(world.machine(peer).supers)]))
  let [wanted, good, last] = [0, 0, 0]
  for (let round = 0; round < ROUNDS; round++) {
    const first = last + 1
    for (const asker of clients) world.search(asker, ++last, `part1 topic${last % TOPICS}`)
    world.runFor(12_000)
    clients.forEach((asker, i) => {
      const search = first + i
      const topic = search % TOPICS
      wanted += clients.filter(peer => topicOf(peer) === topic).length
      for (const { holder, hit, via } of world.found.get(search) ?? []) {
        const isTrue = hit.id === fileId(`part1 topic${topic} of${holder}`)
        if (isTrue) good++
        if (via === asker) continue
        world.supers.command(asker, { type: 'verdict', search, holder, id: hit.id, good: isTrue })
      }
    })
  }
  assert.ok(good / wanted >= 0.95, `recall ${good / wanted}, seed ${seed}`)
  assert.ok(having(SPAMS) <= 3, `${having(SPAMS)} clients of the one that spams`)
  assert.ok(having(HIDES) <= before / 2, `${having(HIDES)} of ${before} clients of the one that hides`)
  for (const client of clients) {
    for (const peer of was.get(client) ?? []) {
      if (peer === HIDES || peer === SPAMS) continue
      assert.ok(world.machine(client).supers.includes(peer), `${client} has left ${peer}, seed ${seed}`)
    }
  }
})

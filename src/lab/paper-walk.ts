import { isBetween, type RingId } from '../../protocols/core/keyspace.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import type { LookupResult, RingNetwork } from './ring-network.ts'

/**
 * A lookup as Chord's paper has it, on the tables that the nodes have now: from each node to the one of its table that is
 * nearest before the key, past those that are dead, until a node has none left: it is the predecessor, and the first
 * living one of its successors is the owner. Nobody sends anything.
 */
export function paperWalk(
  network: RingNetwork,
  from: Peer,
  key: RingId,
  isAlive: (peer: Peer) => boolean
): LookupResult {
  const dead = new Set<Peer>()
  const lives = (peer: Peer): boolean => {
    if (!isAlive(peer)) dead.add(peer)
    return isAlive(peer)
  }
  const isNearer = (a: Peer, b: Peer): boolean => isBetween(network.idOf(b), network.idOf(a), key)
  let at = from
  let hops = 0
  for (;;) {
    const node = network.node(at)
    const { successors } = node.place
    const before = [...new Set([...node.fingers, ...successors])]
      .filter(peer => isNearer(peer, at) && !dead.has(peer))
      .sort((a, b) => (isNearer(a, b) ? -1 : 1))
    const next = before.find(lives)
    if (next !== undefined) {
      at = next
      hops++
      continue
    }
    const onTheWay = dead.size
    const owner = successors.find(peer => !isNearer(peer, at) && lives(peer))
    const [lost, lostPast] = [dead.size, dead.size - onTheWay]
    const asked = hops + 1 + lost
    return { key, owner, hops: hops + 1, via: at, asked, lost, lostPast, stalls: lost, elapsedMs: 0 }
  }
}

import type { Connection } from '@libp2p/interface'
import type { Peer } from '../protocols/core/peer.ts'
import type { ExchangeService } from '../protocols/exchange/handler.ts'
import { peerFromId } from '../protocols/libp2p/peer-ids.ts'
import type { PeerStatus, Status } from './api.ts'
import type { Network } from './network.ts'

/** A node that has been up for so long and knows nobody has a problem. */
const ALONE_AFTER_MS = 15_000

/** A node that knows peers and has no place on their ring for so long has a problem; a join takes a few seconds. */
const PLACELESS_AFTER_MS = 60_000

/** What this node moves, and has moved since it was started. */
export function trafficOf(network: Network | undefined): Pick<Status, 'rates' | 'totals'> {
  if (network === undefined) return { rates: { down: 0, up: 0 }, totals: { down: 0, up: 0 } }
  const { receivedBytes, sentBytes, down, up } = network.host.services.exchange.traffic()
  return { rates: { down: Math.round(down), up: Math.round(up) }, totals: { down: receivedBytes, up: sentBytes } }
}

export function ringOf(network: Network | undefined): Pick<Status, 'ring'> {
  if (network === undefined) return {}
  const { nodes, kept } = network.ring
  return { ring: { nodes, entries: kept.entries } }
}

export function superPeerOf(network: Network | undefined): Pick<Status, 'superPeer'> {
  if (network === undefined) return {}
  const { role, reason, supers, clients } = network.host.services.superpeer
  const indexed = role === 'super' ? network.indexed : 0
  return { superPeer: { role, reason, supers: supers.map(String), clients: clients.length, indexed } }
}

export function peersOf(network: Network): PeerStatus[] {
  const { host, dialer, reputation, neighbours } = network
  const byPeer = new Map<Peer, Connection[]>()
  for (const connection of host.getConnections()) {
    const peer = peerFromId(connection.remotePeer)
    byPeer.set(peer, [...(byPeer.get(peer) ?? []), connection])
  }
  const { superpeer } = host.services
  const [supers, clients] = [new Set(superpeer.supers), new Set(superpeer.clients)]
  const moved = movedByPeer(host.services.exchange)
  return [...byPeer].map(([peer, connections]) => {
    const oldest = connections.reduce((a, b) => (a.timeline.open <= b.timeline.open ? a : b))
    const penalties = reputation.reasonsOf(peer)
    return {
      peerId: peer as string,
      address: oldest.remoteAddr.toString(),
      direction: oldest.direction,
      foundBy: dialer.foundByOf(peer, oldest),
      neighbour: neighbours.has(peer),
      ...(supers.has(peer) ? { role: 'super' as const } : clients.has(peer) ? { role: 'client' as const } : {}),
      connectedForMs: Date.now() - oldest.timeline.open,
      ...(moved.get(peer) ?? { down: 0, up: 0 }),
      ...(penalties.length === 0 ? {} : { penalties })
    }
  })
}

/** What a user should know and do something about. */
export function problemsOf(network: Network | undefined, startedAt: number): Status['problems'] {
  if (network === undefined) return []
  const problems: Status['problems'] = []
  const interfaces = network.discovery?.interfaces ?? []
  for (const { name, problem } of interfaces.filter(({ working }) => !working)) {
    problems.push({
      code: 'DISCOVERY',
      message: `peers cannot be looked for on ${name}: ${problem}`,
      next: 'Check the interface, choose others with --interface NAME, or name a peer with --peer ADDRESS.'
    })
  }
  if (network.host.getConnections().length === 0 && Date.now() - startedAt > ALONE_AFTER_MS) {
    const address = network.addresses.find(text => !text.includes('/127.0.0.1/')) ?? network.addresses[0]
    problems.push({
      code: 'NO_PEERS',
      message: 'no other peer has been found yet',
      next:
        'Start `shoal up` on another machine of this network; if it does not find this one, run it with ' +
        `--peer ${address ?? 'ADDRESS'}`
    })
  }
  if (network.ring.placelessMs > PLACELESS_AFTER_MS) {
    problems.push({
      code: 'NO_RING',
      message: 'no place on the ring of peers has been found yet: the global directory is out of reach',
      next: 'Wait a little; if it stays so, update the other peers, or name one that is up to date with --peer ADDRESS.'
    })
  }
  return problems
}

function movedByPeer(exchange: ExchangeService): Map<Peer, { down: number; up: number }> {
  const moved = new Map<Peer, { down: number; up: number }>()
  for (const handle of exchange.swarms.values()) {
    for (const { peer, goodBytes, sentBytes } of handle.stats().peers) {
      const { down, up } = moved.get(peer) ?? { down: 0, up: 0 }
      moved.set(peer, { down: down + goodBytes, up: up + sentBytes })
    }
  }
  return moved
}

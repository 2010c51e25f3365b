import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { Libp2p, ServiceMap } from '@libp2p/interface'
import type { Peer } from '../../protocols/core/peer.ts'
import { seededRng } from '../../protocols/core/rng.ts'
import { ContactBook } from '../../protocols/libp2p/contacts.ts'
import { peerFromId } from '../../protocols/libp2p/peer-ids.ts'
import { overlayService } from '../../protocols/overlay/handler.ts'
import { type SearchService, searchService } from '../../protocols/search/handler.ts'
import type { Hit, Query } from '../../protocols/search/index.ts'
import type { GetEvent, GetOptions, Share } from '../../src/api.ts'
import type { NodeConfig } from '../../src/config.ts'
import { createNode, type ShoalNode } from '../../src/node.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { startTestHost } from '../libp2p/hosts.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-transfers-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let made = 0

/** A path that nothing is at. */
export const fresh = (): string => join(folder, `t${made++}`)

export type Start = (config?: Partial<NodeConfig>) => Promise<ShoalNode>
export type StartLiar = (init: LiarInit) => Promise<Libp2p>

export interface LiarInit {
  /** What it answers to a query. */
  lookup(query: Query): Hit[]
  /** Its other protocols. */
  services?: Parameters<typeof startTestHost>[0]
  /** Nodes that it connects to, and becomes a neighbour of. */
  near: ShoalNode[]
}

/** Nodes, and hosts that take part in the search and say what a test wants. All are stopped at the end. */
export async function withNodes(work: (start: Start, startLiar: StartLiar) => Promise<void>): Promise<void> {
  const nodes: ShoalNode[] = []
  const hosts: Libp2p[] = []
  try {
    await work(
      async config => {
        const node = await createNode({ home: fresh(), interfaces: ['lo'], discovery: false, ...config })
        nodes.push(node)
        return node
      },
      async init => {
        const host = await liar(init)
        hosts.push(host)
        return host
      }
    )
  } finally {
    await Promise.all([...nodes.map(node => node.close()), ...hosts.map(host => host.stop())])
  }
}

async function liar({ lookup, services = {}, near }: LiarInit): Promise<Libp2p> {
  let contacts: ContactBook | undefined
  const book = (components: { peerStore: ConstructorParameters<typeof ContactBook>[0] }): ContactBook =>
    (contacts ??= new ContactBook(components.peerStore))
  const host: Libp2p<ServiceMap & { search: SearchService }> = (await startTestHost({
    ...services,
    overlay: components =>
      overlayService({
        contacts: book(components),
        rng: seededRng(1),
        onEvent: event => host.services.search.command(event),
        onPenalty: () => {}
      })(components),
    search: components =>
      searchService({
        contacts: book(components),
        rng: seededRng(2),
        lookup: query => [{ holder: peerFromId(components.peerId), hits: lookup(query) }],
        onEvent: () => {},
        onPenalty: () => {}
      })(components)
  })) as unknown as Libp2p<ServiceMap & { search: SearchService }>
  for (const node of near) {
    await host.dial((node.host as Libp2p).getMultiaddrs())
    await isNeighbour(node, host.peerId.toString())
  }
  return host
}

export async function isNeighbour(node: ShoalNode, peerId: string): Promise<void> {
  await eventually('it is a neighbour', async () => {
    return (await node.peers()).some(peer => peer.peerId === peerId && peer.neighbour)
  })
}

export async function connect(node: ShoalNode, other: ShoalNode): Promise<void> {
  await node.host?.dial((other.host as Libp2p).getMultiaddrs())
  await isNeighbour(node, idOf(other))
}

export function idOf(node: ShoalNode): string {
  return String(node.host?.peerId)
}

export function peerOf(node: ShoalNode): Peer {
  return idOf(node) as Peer
}

export async function addressOf(node: ShoalNode): Promise<string> {
  return (await node.status()).addresses[0] as string
}

export async function share(node: ShoalNode, path: string): Promise<Share> {
  let shared: Share | undefined
  for await (const event of node.share([path])) if (event.type === 'shared') shared = event.share
  assert.ok(shared)
  return shared
}

/** The id of the only file of a share. */
export async function fileOf(node: ShoalNode, path: string): Promise<string> {
  await share(node, path)
  const entry = (await node.shares()).find(shared => shared.path === path)?.entries?.[0]
  assert.ok(entry)
  return entry.id
}

export type Done = Extract<GetEvent, { type: 'done' }>

export async function get(node: ShoalNode, target: string, options: GetOptions): Promise<Done> {
  let last: GetEvent | undefined
  for await (const event of node.get(target, options)) last = event
  assert.equal(last?.type, 'done')
  return last as Done
}

/** Nobody of these holds anything against another of them. */
export async function assertNobodyBlamed(...nodes: ShoalNode[]): Promise<void> {
  const known = new Set(nodes.map(idOf))
  for (const node of nodes) {
    for (const { peerId, penalties } of await node.peers()) {
      if (known.has(peerId)) assert.equal(penalties, undefined, JSON.stringify(penalties))
    }
  }
}

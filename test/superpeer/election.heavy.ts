import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Libp2p } from '@libp2p/interface'
import type { SearchService } from '../../protocols/search/handler.ts'
import type { SuperPeerService } from '../../protocols/superpeer/handler.ts'
import type { SuperPeerStatus } from '../../src/api.ts'
import type { ShoalNode } from '../../src/node.ts'
import { eventually } from '../../src/testkit/wait.ts'
import { addressOf, fresh, search, withNodes } from '../nodes.ts'

const PEERS = 40
/** Elections take rounds of some seconds each, and 40 nodes share this machine's processor. */
const PATIENCE_MS = 8 * 60_000

type Services = { superpeer: SuperPeerService; search: SearchService }

const servicesOf = (node: ShoalNode): Services => (node.host as Libp2p<Services>).services

async function partOf(node: ShoalNode): Promise<SuperPeerStatus> {
  const { superPeer } = await node.status()
  assert.ok(superPeer)
  return superPeer
}

async function supersOf(nodes: readonly ShoalNode[]): Promise<ShoalNode[]> {
  const parts = await Promise.all(nodes.map(partOf))
  return nodes.filter((_, i) => parts[i]?.role === 'super')
}

/** Everybody is a super-peer, or at rest behind two or more. */
async function settled(nodes: readonly ShoalNode[]): Promise<ShoalNode[]> {
  return await eventually(
    'super-peers and their clients',
    async () => {
      const parts = await Promise.all(nodes.map(partOf))
      const isSettled = nodes.every((node, i) => {
        const part = parts[i] as SuperPeerStatus
        return part.role === 'super' || (part.supers.length >= 2 && servicesOf(node).superpeer.isResting)
      })
      return isSettled ? await supersOf(nodes) : undefined
    },
    PATIENCE_MS
  )
}

test(`${PEERS} peers elect super-peers, search through them, and find others when one is gone`, async t => {
  await withNodes(async start => {
    const first = await start()
    const peers = [await addressOf(first)]
    const nodes = [first]
    for (let i = 1; i < PEERS; i++) nodes.push(await start({ peers }))
    for (const [i, node] of nodes.entries()) {
      const path = join(fresh(), 'songs')
      await mkdir(path, { recursive: true })
      await writeFile(join(path, `whale song number${i}.txt`), `song ${i}`)
      for await (const _ of node.share([path]));
    }
    const supers = await settled(nodes)
    t.diagnostic(`${supers.length} super-peers of ${PEERS}`)
    assert.ok(supers.length >= 3 && supers.length <= 8, `${supers.length} super-peers`)

    const searcher = nodes.find(node => !supers.includes(node)) as ShoalNode
    const { superpeer, search: overlaySearch } = servicesOf(searcher)
    const before = [superpeer.stats.messagesOut, overlaySearch.stats.messagesOut, overlaySearch.stats.messagesIn]
    const { results } = await search(searcher, 'number7')
    const after = [superpeer.stats.messagesOut, overlaySearch.stats.messagesOut, overlaySearch.stats.messagesIn]
    const [asks, ...overOverlay] = after.map((count, i) => count - (before[i] as number)) as [number, ...number[]]
    t.diagnostic(`a search: ${asks} messages to super-peers, ${overOverlay.join(' and ')} over the overlay`)
    assert.equal(results.length, 1)
    assert.deepEqual(overOverlay, [0, 0], 'a client sees no query of others')
    assert.ok(asks <= 2, 'one to each super-peer that is asked')
    await eventually(
      'all songs are found',
      async () => (await search(searcher, 'whale')).results.length === PEERS,
      PATIENCE_MS
    )

    const [lost] = supers as [ShoalNode]
    for (const connection of lost.host?.getConnections() ?? []) connection.abort(new Error('it is gone'))
    await lost.close()
    const others = nodes.filter(node => node !== lost)
    await eventually(
      'all songs of those that are left are found at once or soon',
      async () =>
        (await search(searcher, 'whale')).results.filter(({ holders }) => holders.length > 0).length >= PEERS - 1,
      PATIENCE_MS
    )
    const now = await settled(others)
    assert.ok(!now.includes(lost))
    const { results: again } = await search(searcher, 'number9')
    assert.equal(again.length, 1)
  })
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { GetEvent, SearchEvent, SearchResult, Share, ShareOptions } from '../src/api.ts'
import type { NodeConfig } from '../src/config.ts'
import { createNode, type ShoalNode } from '../src/node.ts'
import { eventually } from '../src/testkit/wait.ts'

/** A folder of the test file's own; gone at its end. */
export const folder = mkdtempSync(join(tmpdir(), 'shoal-node-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let made = 0

/** A path where nothing is. */
export const fresh = (): string => join(folder, `t${made++}`)

/** Nodes on the loopback interface that are closed when the work is done. */
export async function withNodes(
  work: (start: (config?: Partial<NodeConfig>) => Promise<ShoalNode>) => Promise<void>
): Promise<void> {
  const nodes: ShoalNode[] = []
  try {
    await work(async config => {
      const node = await createNode({ home: fresh(), interfaces: ['lo'], discovery: false, ...config })
      nodes.push(node)
      return node
    })
  } finally {
    await Promise.all(nodes.map(node => node.close()))
  }
}

export async function addressOf(node: ShoalNode): Promise<string> {
  return (await node.status()).addresses[0] as string
}

export async function neighbours(node: ShoalNode, count = 1): Promise<void> {
  await eventually('neighbours', async () => (await node.status()).peers.neighbours >= count)
}

/** Until each of them knows all others on the ring. */
export async function onRing(...nodes: ShoalNode[]): Promise<void> {
  await eventually('one ring', async () => {
    const all = await Promise.all(nodes.map(node => node.ring()))
    return all.every(({ settled, nodes: count }) => settled && count === nodes.length)
  })
}

export async function share(node: ShoalNode, path: string, options: ShareOptions = {}): Promise<Share> {
  let shared: Share | undefined
  for await (const event of node.share([path], options)) if (event.type === 'shared') shared = event.share
  assert.ok(shared)
  return shared
}

export async function search(node: ShoalNode, query: string): Promise<{ results: SearchResult[]; done: SearchEvent }> {
  const results = new Map<number, SearchResult>()
  let done: SearchEvent | undefined
  for await (const event of node.search(query)) {
    if (event.type === 'result') results.set(event.result.number, event.result)
    else done = event
  }
  assert.ok(done)
  return { results: [...results.values()], done }
}

export async function get(
  node: ShoalNode,
  target: string,
  options: { out: string; files?: string[] }
): Promise<Extract<GetEvent, { type: 'done' }>> {
  let last: GetEvent | undefined
  for await (const event of node.get(target, options)) last = event
  assert.equal(last?.type, 'done')
  return last as Extract<GetEvent, { type: 'done' }>
}

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GetEvent, SearchResult, TransferStatus } from '../api.ts'
import { bytesText, countText, rateText } from '../cli/units.ts'
import { sha256OfFile } from '../testkit/files.ts'
import { ProcessPeer } from '../testkit/process-peer.ts'
import { eventually } from '../testkit/wait.ts'

const PACKAGES = join(import.meta.dirname, '../../node_modules')

/** Real files that are on any machine after `npm ci`. */
const NODE_FOLDER = join(PACKAGES, 'node/bin')
const DOCUMENTS = ['libp2p', 'hono', 'zod', 'commander', 'typescript'].map(name => join(PACKAGES, name))

const PEERS = [
  { name: 'anna', folders: [NODE_FOLDER] },
  { name: 'ben', folders: [NODE_FOLDER, ...DOCUMENTS.slice(0, 2)] },
  { name: 'clara', folders: [NODE_FOLDER] },
  { name: 'dirk', folders: DOCUMENTS },
  { name: 'emma', folders: [] }
]

interface DemoPeer {
  name: string
  process: ProcessPeer
  peerId: string
}

/** Runs the demonstration and returns the exit code: 0 when the file arrived whole although a holder was killed. */
export async function runDemo(options: { keep: boolean }): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-demo-'))
  const peers: DemoPeer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(peers.map(peer => peer.process.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('SIGINT', () => void stop().then(() => process.exit(130)))
  process.once('SIGTERM', () => void stop().then(() => process.exit(143)))

  try {
    say(`Five peers, each a process of its own, on the loopback interface. Nobody is told an address.`)
    const started = await Promise.allSettled(PEERS.map(peer => startPeer(peer.name, peer.folders, folder)))
    for (const result of started) if (result.status === 'fulfilled') peers.push(result.value)
    const failed = started.find(result => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason as Error
    for (const { name, process, peerId } of peers) {
      const { shared } = await process.shoal.status()
      const shares =
        shared.files === 0 ? 'shares nothing' : `shares ${countText(shared.files, 'file')}, ${bytesText(shared.bytes)}`
      say(`  ${name.padEnd(6)} process ${process.pid}, peer …${peerId.slice(-8)}, ${shares}`)
    }

    const emma = peers.at(-1) as DemoPeer
    await showNeighbours(emma, peers)
    await search(emma, 'libp2p readme', peers)
    const results = await search(emma, 'node', peers)
    const wanted = results.find(result => result.name === 'bin/node' || result.name.endsWith('/node'))
    if (wanted === undefined || wanted.holders.length < 3) {
      say(`The Node executable was not found at three holders.`)
      return 1
    }
    const ok = await fetchWithOneKilled(emma, wanted, peers, join(folder, 'downloads'))
    if (ok && options.keep) {
      say(`\nThe peers stay until Ctrl-C. Try:  npx shoal --home ${emma.process.home} search readme`)
      await new Promise(() => setInterval(() => {}, 1 << 30))
    }
    return ok ? 0 : 1
  } catch (error) {
    say(`The demonstration failed: ${(error as Error).stack ?? error}`)
    for (const { name, process } of peers) say(`--- ${name} printed:\n${process.output}`)
    return 1
  } finally {
    await stop()
  }
}

async function startPeer(name: string, folders: string[], folder: string): Promise<DemoPeer> {
  const peer = await ProcessPeer.start({
    home: join(folder, name),
    folders: folders.filter(path => existsSync(path)),
    args: ['--interface', 'lo']
  })
  await eventually('hashing', async () => {
    const shares = await peer.shoal.shares()
    return shares.length === folders.length && shares.every(({ magnet }) => magnet !== '')
  })
  return { name, process: peer, peerId: (await peer.shoal.status()).peerId }
}

async function showNeighbours(peer: DemoPeer, all: DemoPeer[]): Promise<void> {
  const known = await eventually('finding four peers', async () => {
    const peers = await peer.process.shoal.peers()
    return peers.length >= all.length - 1 && peers.some(other => other.neighbour) ? peers : undefined
  })
  say(`\n${peer.name} knows ${countText(known.length, 'peer')}:`)
  for (const other of known) {
    const role = other.neighbour ? 'neighbour in the overlay' : 'connected'
    say(`  ${nameOf(other.peerId, all).padEnd(6)} found by ${other.foundBy}, ${role}`)
  }
}

async function search(peer: DemoPeer, query: string, all: DemoPeer[]): Promise<SearchResult[]> {
  say(`\n${peer.name}$ shoal search ${query}`)
  const results = new Map<number, SearchResult>()
  for await (const event of peer.process.shoal.search(query, { limit: 50 })) {
    if (event.type === 'result') results.set(event.result.number, event.result)
    else if (event.type === 'done') {
      for (const { number, name, size, holders } of [...results.values()].slice(0, 6)) {
        const who = holders.map(holder => nameOf(holder, all)).join(', ')
        say(`  ${String(number).padStart(2)}  ${bytesText(size).padStart(9)}  ${who.padEnd(18)}  ${name}`)
      }
      if (results.size > 6) say(`      and ${results.size - 6} more`)
      say(
        `  ${countText(event.results, 'result')}: asked ${countText(event.peersAsked, 'peer')}, ` +
          `${countText(event.messages, 'message')}, ` +
          `${(event.elapsedMs / 1000).toFixed(2)} s`
      )
    }
  }
  return [...results.values()]
}

async function fetchWithOneKilled(
  peer: DemoPeer,
  wanted: SearchResult,
  all: DemoPeer[],
  out: string
): Promise<boolean> {
  say(`\n${peer.name}$ shoal get ${wanted.number}      # ${wanted.name}, ${bytesText(wanted.size)}`)
  const victim = all.find(other => other.name === 'clara') as DemoPeer
  let killedAt: number | undefined
  let done: Extract<GetEvent, { type: 'done' }> | undefined
  for await (const event of peer.process.shoal.get(String(wanted.number), { out })) {
    if (event.type === 'done') done = event
    else if (event.type === 'progress' && killedAt === undefined && gives(event.transfer, victim)) {
      await victim.process.kill('SIGKILL')
      killedAt = event.transfer.bytesDone
      say(`  ${victim.name} is killed when ${bytesText(killedAt)} of ${bytesText(wanted.size)} are here`)
    }
  }
  if (done === undefined) throw new Error('the transfer ended without a result')

  for (const source of done.transfer.sources) {
    say(`  ${bytesText(source.bytes).padStart(9)} from ${nameOf(source.peerId, all)}`)
  }
  const seconds = done.elapsedMs / 1000
  say(`  ${bytesText(done.bytesFetched)} in ${seconds.toFixed(2)} s: ${rateText(done.bytesFetched / seconds)}`)

  const right = (await sha256OfFile(done.transfer.path)) === (await sha256OfFile(join(NODE_FOLDER, 'node')))
  say(right ? '  The file is the same as the original, byte for byte (SHA-256).' : '  THE FILE IS WRONG.')
  if (killedAt === undefined) say('  The file was here before anybody could be killed.')
  return right
}

function gives(transfer: TransferStatus, peer: DemoPeer): boolean {
  return transfer.sources.some(source => source.peerId === peer.peerId && source.bytes > 0)
}

function nameOf(peerId: string, all: DemoPeer[]): string {
  return all.find(peer => peer.peerId === peerId)?.name ?? `…${peerId.slice(-8)}`
}

function say(line: string): void {
  console.log(line)
}

import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach } from 'node:test'
import { FakeShoal } from '../daemon/fake-shoal.ts'
import { running } from './terminal.ts'

/** A folder of the test file's own; gone at its end. */
export const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-cli-')))
after(() => rmSync(folder, { recursive: true }))

/** Each test has a home directory of its own, in which this peer seems to run. */
export let home: string
export let fake: FakeShoal
/** How many there were: for names that are taken once. */
export let homes = 0
let server: { close(): Promise<void> } | undefined

beforeEach(async () => {
  home = join(folder, `home${homes++}`)
  mkdirSync(home)
  fake = new FakeShoal()
  await runPeer(fake)
})
afterEach(stopPeer)

/** From now on this one runs. */
export async function runPeer(peer: FakeShoal): Promise<void> {
  await stopPeer()
  server = await running(home, peer)
}

export async function stopPeer(): Promise<void> {
  await server?.close()
  server = undefined
}

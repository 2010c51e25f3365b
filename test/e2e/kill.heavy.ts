import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { seededRng } from '../../protocols/core/rng.ts'
import { sha256OfFile, writeRandomFile } from '../../src/testkit/files.ts'
import { ProcessPeer } from '../../src/testkit/process-peer.ts'
import { eventually } from '../../src/testkit/wait.ts'

const MIB = 1024 * 1024
const FILE_BYTES = 768 * MIB
const KILLS = 20
/** What one life may have asked for and not yet stored when it is killed: the exchange's limit for one source. */
const IN_FLIGHT_BYTES = 8 * MIB

const seedOfTest = Number(process.env.SHOAL_SEED ?? 1)
const folder = mkdtempSync(join(tmpdir(), 'shoal-kill-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test(`kill -9 of the downloader ${KILLS} times in one transfer (SHOAL_SEED=${seedOfTest})`, async () => {
  const rng = seededRng(seedOfTest)
  const original = join(folder, 'share', 'big.bin')
  await writeRandomFile(original, FILE_BYTES, seedOfTest)
  const seed = await ProcessPeer.start({
    home: join(folder, 'seed'),
    folders: [original],
    args: ['--interface', 'lo']
  })
  let leech: ProcessPeer | undefined
  try {
    const share = await eventually('the seed has hashed', async () =>
      (await seed.shoal.shares()).find(({ magnet }) => magnet !== '')
    )
    const address = (await seed.shoal.status()).addresses[0] as string
    const args = ['--interface', 'lo', '--peer', address]
    const out = join(folder, 'out')

    for (let life = 0; life <= KILLS; life++) {
      leech = await ProcessPeer.start({ home: join(folder, 'leech'), args })
      const running = leech
      const events = running.shoal.get(share.magnet, { out })[Symbol.asyncIterator]()
      if (life < KILLS) {
        let before: number | undefined
        const enough = 1 + rng.below(Math.floor(FILE_BYTES / KILLS / 2))
        const reading = (async () => {
          try {
            while (!(await events.next()).done);
          } catch {
            // it is killed
          }
        })()
        await eventually('the transfer moves on', async () => {
          const transfer = (await running.shoal.transfers())[0]
          if (transfer === undefined || transfer.state === 'finding') return false
          before ??= transfer.bytesDone
          return transfer.bytesDone - before >= enough
        })
        await running.kill('SIGKILL')
        await reading
      } else {
        for (;;) {
          const { done, value } = await events.next()
          if (done === true) break
          if (value.type === 'done') {
            assert.equal(await sha256OfFile(value.transfer.path), await sha256OfFile(original))
          }
        }
      }
    }

    const uploaded = (await seed.shoal.status()).totals.up
    const again = uploaded - FILE_BYTES
    console.log(
      `${KILLS} kills, ${again} bytes fetched again (${(again / KILLS / MIB).toFixed(2)} MiB a kill), file is right`
    )
    assert.ok(again <= KILLS * IN_FLIGHT_BYTES, `${again} bytes fetched again`)
  } finally {
    await leech?.stop()
    await seed.stop()
  }
})

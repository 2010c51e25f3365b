import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createNode } from '../../src/node.ts'
import { writeRandomFile } from '../../src/testkit/files.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-libtorrent-')))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Reads a torrent, prints what it says, and checks the files on disk against it. Talks to nobody. */
const CHECK = `
import json, sys, time
import libtorrent as lt
info = lt.torrent_info(sys.argv[1])
files = info.files()
names = [files.file_path(i) for i in range(files.num_files()) if not files.file_flags(i) & lt.file_flags_t.flag_pad_file]
session = lt.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False,
                      'enable_upnp': False, 'enable_natpmp': False})
handle = session.add_torrent({'ti': info, 'save_path': sys.argv[2]})
deadline = time.monotonic() + 60
while not handle.status().is_seeding and time.monotonic() < deadline:
    time.sleep(0.05)
print(json.dumps({'infohash': str(info.info_hashes().v2), 'files': names, 'whole': handle.status().is_seeding}))
`

test('libtorrent reads our torrents as BitTorrent v2 and finds every piece right', async () => {
  const place = join(folder, 'share', 'Album')
  await writeRandomFile(join(place, 'cd1/01 first.flac'), 5 * 1024 * 1024 + 77, 1)
  await writeRandomFile(join(place, 'cover.jpg'), 20_000, 2)
  await writeRandomFile(join(place, 'block.bin'), 16_384, 3)
  mkdirSync(join(place, 'ünïcode'))
  writeFileSync(join(place, 'ünïcode', 'naïve.txt'), 'text')
  const node = await createNode({ home: join(folder, 'home'), offline: true, watch: false })
  try {
    for await (const event of node.share([place])) {
      if (event.type === 'problem') assert.fail(event.message)
    }
    const { torrent, infohash } = await node.torrent('Album')
    const file = join(folder, 'album.torrent')
    writeFileSync(file, Buffer.from(torrent, 'base64'))
    const printed = execFileSync('/usr/bin/python3', ['-c', CHECK, file, join(folder, 'share')], { encoding: 'utf8' })
    assert.deepEqual(JSON.parse(printed), {
      infohash,
      files: ['Album/block.bin', 'Album/cd1/01 first.flac', 'Album/cover.jpg', 'Album/ünïcode/naïve.txt'],
      whole: true
    })
  } finally {
    await node.close()
  }
})

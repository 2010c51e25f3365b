import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openDatabase } from '../src/database.ts'
import { openHome, socketPathOf } from '../src/home.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-home-'))
after(() => rmSync(folder, { recursive: true }))

test('a home directory is for its owner alone, and for one process', async () => {
  const path = join(folder, 'a', 'b')
  const home = await openHome(path)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  await assert.rejects(openHome(path), { code: 'ALREADY_RUNNING', message: new RegExp(`process ${process.pid}`) })
  home.release()
  home.release()
  const again = await openHome(path)
  again.release()
})

test('a killed process gives its home directory back', async () => {
  const path = join(folder, 'killed')
  const script = `import { openHome } from ${JSON.stringify(join(import.meta.dirname, '../src/home.ts'))}
    await openHome(${JSON.stringify(path)})
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await once(child.stdout, 'data')
  await assert.rejects(openHome(path), { code: 'ALREADY_RUNNING', message: new RegExp(`process ${child.pid}`) })
  child.kill('SIGKILL')
  await once(child, 'exit')
  ;(await openHome(path)).release()
})

test('the socket stays short however deep the home directory is', () => {
  const deep = join(folder, 'x'.repeat(120))
  assert.ok(Buffer.byteLength(socketPathOf(deep)) <= 108)
  assert.notEqual(socketPathOf(deep), socketPathOf(`${deep}y`))
  assert.equal(socketPathOf('/h'), '/h/shoal.sock')
})

test('a database of a newer version is refused, the same version keeps its rows', () => {
  const path = join(folder, 'shoal.db')
  const schema = 'CREATE TABLE IF NOT EXISTS t (x INTEGER)'
  const database = openDatabase(path, [schema])
  database.exec('INSERT INTO t VALUES (1)')
  database.close()
  const again = openDatabase(path, [schema])
  assert.equal(again.prepare('SELECT count(*) AS n FROM t').get()?.n, 1)
  again.exec('PRAGMA user_version = 1000')
  again.close()
  assert.throws(() => openDatabase(path, [schema]), { code: 'VERSION_MISMATCH' })
})

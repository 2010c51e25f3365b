#!/usr/bin/env node
// The entry for whatever Node is first on the path. Plain JavaScript of 2015: an older Node must be able to read it, so
// that it can say what to do, or start the Node that was installed beside this package.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const OLDEST = 24
const entry = fileURLToPath(new URL('./shoal.ts', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= OLDEST) import('./shoal.ts')
else runWith(besidePackage())

/** The Node of the `node` package: of a checkout, or of the project that this package is installed in. */
function besidePackage() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  return ['../node_modules/node/bin/', '../../node/bin/']
    .map(folder => fileURLToPath(new URL(folder + name, import.meta.url)))
    .filter(existsSync)[0]
}

/** Runs the command under another Node and ends as it ends. */
function runWith(node) {
  if (node === undefined) {
    console.error(`shoal: Node.js ${OLDEST} or newer is needed, and this is ${process.version}`)
    console.error(`  Install it from https://nodejs.org, or run: npx --package=node@${OLDEST} node ${entry}`)
    process.exit(2)
  }
  const child = spawn(node, [entry].concat(process.argv.slice(2)), {
    // the channel closes with this process, however it ends
    stdio: ['inherit', 'inherit', 'inherit', 'ipc']
  })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  signals.forEach(signal => {
    process.on(signal, () => {
      child.kill(signal)
    })
  })
  child.on('error', error => {
    console.error(`shoal: cannot start ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    // ended by a signal: the same must be seen of this process
    signals.forEach(name => {
      process.removeAllListeners(name)
    })
    process.kill(process.pid, signal)
  })
}

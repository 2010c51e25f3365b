import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

/**
 * Who may import what, and what a machine may not mention. A rule names the files it is for and what those may import;
 * the first rule that matches a file counts.
 */

const root = resolve(import.meta.dirname, '..')
const PURE_PACKAGES = /^(uint8arrays|uint8arraylist|multiformats)(\/|$)/
const CORE = /^protocols\/core\//
/** The query language, hits and their types: what may be said about files. */
const SEARCH = /^protocols\/search\/(?!handler)/
const METAINFO = /^protocols\/metainfo\/(?!handler)/
/** `handler.ts`, or `swarm-handler.ts` where one file is too little. */
const HANDLER = /[/-]handler\.ts$/
const NETWORK_PACKAGES =
  /^(node:|libp2p$|@libp2p\/|@multiformats\/|@chainsafe\/|it-|interface-|main-event$|uint8|multiformats)/

type Rule = { files: RegExp; may: (imported: string, from: string) => boolean; why: string }

const sameFolder = (imported: string, from: string): boolean => dirname(imported) === dirname(from)

const RULES: Rule[] = [
  {
    files: CORE,
    may: (imported, from) => PURE_PACKAGES.test(imported) || sameFolder(imported, from),
    why: 'protocols/core imports small pure packages only'
  },
  {
    files: /^protocols\/libp2p\//,
    may: imported => /^protocols\/(core|libp2p)\//.test(imported) || NETWORK_PACKAGES.test(imported),
    why: 'protocols/libp2p imports core, libp2p, it-* and node:*'
  },
  {
    files: /^protocols\/[^/]+\/([a-z-]+-)?handler\.ts$/,
    may: (imported, from) =>
      CORE.test(imported) ||
      METAINFO.test(imported) ||
      /^protocols\/libp2p\//.test(imported) ||
      sameFolder(imported, from) ||
      (from === 'protocols/superpeer/handler.ts' && SEARCH.test(imported)) ||
      NETWORK_PACKAGES.test(imported),
    why: 'a handler imports its own folder, core, protocols/libp2p, metainfo, libp2p, it-* and node:*'
  },
  {
    files: /^protocols\/superpeer\//,
    may: (imported, from) =>
      PURE_PACKAGES.test(imported) ||
      CORE.test(imported) ||
      SEARCH.test(imported) ||
      (sameFolder(imported, from) && !HANDLER.test(imported)),
    why: 'the machine of super-peers imports core, search and its own folder, never a handler'
  },
  {
    files: /^protocols\/(exchange|tracker|proof)\//,
    may: (imported, from) =>
      PURE_PACKAGES.test(imported) ||
      CORE.test(imported) ||
      METAINFO.test(imported) ||
      (sameFolder(imported, from) && !HANDLER.test(imported)),
    why: 'a machine of the exchange, the tracker or the proof imports core, metainfo and its own folder, never a handler'
  },
  {
    files: /^protocols\//,
    may: (imported, from) =>
      PURE_PACKAGES.test(imported) || CORE.test(imported) || (sameFolder(imported, from) && !HANDLER.test(imported)),
    why: 'a machine imports core and its own folder, never a handler and never another protocol'
  },
  {
    files: /^src\/lab\/plot\.ts$/,
    may: (imported, from) => /^echarts\//.test(imported) || sameFolder(imported, from),
    why: 'the plotting library is known in one file of the lab'
  },
  {
    files: /^src\/(simulator|lab)\//,
    may: imported =>
      /^src\/(simulator|lab)\//.test(imported) ||
      (/^protocols\/(?!libp2p\/)/.test(imported) && !HANDLER.test(imported)) ||
      PURE_PACKAGES.test(imported) ||
      (imported.startsWith('node:') && !/net|http|dgram|tls/.test(imported)),
    why: 'the simulator runs machines only: never a handler, never the network'
  },
  {
    files: /^src\//,
    may: imported => !/^(test|bench|bin)\//.test(imported),
    why: 'nothing imports test, bench or bin'
  },
  {
    files: /^bin\//,
    may: imported => /^src\//.test(imported) || imported.startsWith('node:') || imported.startsWith('bin/'),
    why: 'bin imports src only'
  }
]

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

/** Packages as they are named, own files as paths below the root. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const specifiers = text.matchAll(
    /(?:^|[\s;}])(?:from|import)\s*\(?\s*'([^']+)'|new URL\('([^']+)', import\.meta\.url\)/g
  )
  return [...specifiers].map(match => {
    const name = (match[1] ?? match[2]) as string
    return name.startsWith('.') ? relative(root, resolve(root, dirname(file), name)) : name
  })
}

const files = ['protocols', 'src', 'bin'].flatMap(sources)

for (const rule of RULES) {
  test(rule.why, () => {
    const mine = files.filter(file => RULES.find(candidate => candidate.files.test(file)) === rule)
    const broken = mine.flatMap(file =>
      importsOf(file)
        .filter(imported => !rule.may(imported, file))
        .map(imported => `${file} imports ${imported}`)
    )
    assert.deepEqual(broken, [])
  })
}

test('no machine knows a clock, a timer, a random source, the process or the console', () => {
  const FORBIDDEN =
    /\b(Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|process|console|crypto|fetch)\s*[.(]|\bMath\.random\b|\bnew Date\b|\basync\b|\bawait\b|\bPromise\b/
  const machines = files.filter(
    file => /^protocols\/(?!libp2p\/)/.test(file) && !HANDLER.test(file) && file !== 'protocols/exchange/content.ts'
  )
  const broken = machines.flatMap(file =>
    withoutComments(readFileSync(join(root, file), 'utf8'))
      .split('\n')
      .flatMap((line, i) => (FORBIDDEN.test(line) ? [`${file}:${i + 1} ${line.trim()}`] : []))
  )
  assert.deepEqual(broken, [])
})

test('the rules see a breach', () => {
  const handlerRule = RULES.find(rule => rule.files.test('protocols/search/flood.ts'))
  assert.equal(handlerRule?.may('node:fs', 'protocols/search/flood.ts'), false)
  assert.equal(handlerRule?.may('protocols/overlay/overlay.ts', 'protocols/search/flood.ts'), false)
  assert.equal(handlerRule?.may('protocols/search/handler.ts', 'protocols/search/flood.ts'), false)
  assert.equal(handlerRule?.may('protocols/core/rng.ts', 'protocols/search/flood.ts'), true)
})

/** Blanks comments, keeps line numbers. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/.*$/gm, comment => comment.replace(/[^\n]/g, ' '))
}

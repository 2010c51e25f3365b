import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkCollisions, checkName, checkPath, PathError } from '../../../protocols/metainfo/index.ts'

const devices = [
  'con',
  'prn',
  'aux',
  'nul',
  'com1',
  'com9',
  'lpt1',
  'lpt9',
  'com¹',
  'lpt³',
  'clock$',
  'conin$',
  'conout$'
]
const refused = [
  '',
  '.',
  '..',
  '/',
  '\\',
  'a/b',
  'a\\b',
  '../a',
  '..\\a',
  'C:',
  'C:\\x',
  'c:x',
  'file.txt:stream',
  ':',
  'a\0b',
  '\0',
  'a.',
  'a ',
  '...',
  '. ',
  ' ',
  'x'.repeat(256),
  'é'.repeat(128),
  '\ud800',
  'a\udc00b',
  '\\\\server\\share',
  ...devices,
  ...devices.map(name => name.toUpperCase()),
  ...devices.map(name => `${name}.txt`),
  'CoN.tar.gz',
  ...Array.from({ length: 32 }, (_, i) => `a${String.fromCharCode(i)}b`),
  ...Array.from({ length: 33 }, (_, i) => `a${String.fromCharCode(0x7f + i)}b`)
]
const accepted = [
  'a',
  'A',
  '.hidden',
  '..a',
  'a..b',
  'con1',
  'console',
  'nulla',
  'com',
  'com10',
  'lpt',
  'what? "really" <yes> *|',
  'naïve.txt',
  '日本語',
  '🎬 film.mkv',
  ' lead',
  '-rf',
  '--',
  '~',
  '%2e%2e',
  'a%00b',
  'x'.repeat(255),
  'a\u202eb'
]

test(`refuses ${refused.length} names that mean something else somewhere`, () => {
  for (const name of refused) assert.throws(() => checkName(name), PathError, JSON.stringify(name))
})

test('accepts names that people use', () => {
  for (const name of accepted) assert.doesNotThrow(() => checkName(name), JSON.stringify(name))
})

test('a bad part anywhere refuses the path', () => {
  for (const name of refused) assert.throws(() => checkPath(['a', name, 'b']), PathError)
  assert.throws(() => checkPath([]), PathError)
  assert.throws(() => checkPath(Array.from({ length: 65 }, () => 'a')), PathError)
  assert.throws(() => checkPath(Array.from({ length: 20 }, () => 'a'.repeat(200))), PathError)
})

const clashes: string[][] = [
  ['a', 'a'],
  ['a', 'A'],
  ['straße', 'STRASSE'],
  ['é', 'e\u0301'],
  ['a', 'a/b'],
  ['a/b', 'a'],
  ['x/A/c', 'x/a/d'],
  ['ﬁ', 'fi']
]
test('names that are one file on some system clash', () => {
  for (const paths of clashes) {
    assert.throws(() => checkCollisions(paths.map(path => path.split('/'))), PathError, paths.join(' and '))
  }
  assert.doesNotThrow(() => checkCollisions(['a/b', 'a/c', 'b/a', 'c'].map(path => path.split('/'))))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  matches,
  nameTokens,
  nameWords,
  type ParsedQuery,
  parseBytes,
  parseQuery,
  QueryError,
  queryLimits,
  relevance,
  requiredTokens,
  typesOf
} from '../../../protocols/search/index.ts'

const K = 1_000
const M = 1_000_000
const G = 1_000_000_000

function finds(query: string, name: string, size = 5 * M): boolean {
  return matches(parseQuery(query), { name, size })
}

function refused(text: string): QueryError {
  try {
    parseQuery(text)
  } catch (error) {
    assert.ok(error instanceof QueryError, String(error))
    return error
  }
  throw new Error(`${text} was taken`)
}

test('names are split, folded and taken apart', () => {
  const cases: [string, string[], string[]][] = [
    ['Films/Old film.mkv', ['films', 'old', 'film', 'mkv'], []],
    ['Crème_BRÛLÉE-Straße', ['creme', 'brulee', 'strasse'], []],
    ['STRASSE ŁÓDŹ ΟΔΟΣ οδος', ['strasse', 'lodz', 'οδοσ', 'οδοσ'], []],
    ['holidayPhotos2024.jpg', ['holidayphotos2024', 'jpg'], ['holiday', 'photos', '2024', 'jpg']],
    ['S01E02', ['s01e02'], ['s', '01', 'e', '02']],
    ["don't ½", ['don', 't', '1', '2'], []],
    ['Hawai\u02bci \u02bcไท', ['hawai', 'i', 'ไท', 'ท'], []],
    ['東京都 x', ['東京', '京都', '都', 'x'], []],
    ['がか', ['がか', 'か'], []],
    ['हिन्दी', ['हिन्दी'], []],
    ['한국', ['한국'], []],
    ['soft\u00adhy\u200bphen', ['softhyphen'], []],
    ['😀 -- …', [], []]
  ]
  for (const [name, whole, parts] of cases) assert.deepEqual(nameWords(name), { whole, parts }, name)
  assert.deepEqual(nameTokens('aB1 aB1'), ['ab1', 'a', 'b', '1'])
  assert.deepEqual(nameWords('é'), nameWords('e\u0301'), 'composed and decomposed names are one')
})

test('words, beginnings, phrases and exclusions', () => {
  const name = 'Films/Grand Blue - the deep sea (1988).mkv'
  const cases: [string, boolean][] = [
    ['SEA deep', true],
    ['sea shallow', false],
    ['gra', false],
    ['gra* se*', true],
    ['"deep sea"', true],
    ['"sea deep"', false],
    ['“the deep”', true],
    ['"the dee"*', true],
    ['deep-sea', true],
    ['blue_the', true],
    ['sea-deep', false],
    ['*.mkv', true],
    ['sea -shallow', true],
    ['sea -deep', false],
    ['sea -"deep sea"', false],
    ['sea -"sea deep"', true],
    ['sea -sha*', true],
    ['sea -fi*', false],
    ['- sea -- : &', true],
    ['sea --deep', true],
    ['films', true]
  ]
  for (const [query, expected] of cases) assert.equal(finds(query, name), expected, query)
  assert.ok(finds('photos', 'holidayPhotos2024.jpg'))
  assert.ok(finds('holidayphotos2024', 'holidayPhotos2024.jpg'))
  assert.ok(finds('"photos 2024"', 'holidayPhotos2024.jpg'))
  assert.ok(!finds('hotos', 'holidayPhotos2024.jpg'))
})

test('any part of a run without blanks is found', () => {
  for (const query of ['東京都', '東京', '京都', '都', '京', 'の東', '東京*', 'x東']) {
    assert.ok(finds(query, 'x東京都の東京.txt') === (query !== 'x東都'), query)
  }
  assert.ok(!finds('東都', '東京都'))
  assert.ok(!finds('東京', '東 京'))
  assert.ok(finds('ไทย', 'เพลงไทยเดิม.mp3'))
  assert.deepEqual(requiredTokens(parseQuery('東京都 都')), ['東京', '京都'])
})

test('types by their names, their other names and by the end of the name', () => {
  const cases: [string, string, boolean][] = [
    ['type:video', 'a.MKV', true],
    ['type:movies', 'a.mkv', true],
    ['type:audio', 'a.mkv', false],
    ['type:audio,video', 'a.mkv', true],
    ['type:pdf,epub', 'a.epub', true],
    ['TYPE:.pdf', 'a.pdf', true],
    ['type:mkv', 'mkv/a', false],
    ['type:bashrc', '.bashrc', false],
    ['type:gz', 'a.tar.gz', true],
    ['type:archive', 'a.iso', true],
    ['type:program', 'a.iso', true],
    ['a -type:video', 'a.mkv', false],
    ['a -type:audio', 'a.mkv', true],
    ['type:rare', 'a.rare', true]
  ]
  for (const [query, name, expected] of cases) assert.equal(finds(query, name), expected, query)
  assert.deepEqual(typesOf('x/y.iso'), ['iso', 'archive', 'program'])
  assert.deepEqual(typesOf('x.y/z'), [])
})

test('sizes are decimal, binary with an i, and know their bounds', () => {
  const cases: [string, number, boolean][] = [
    ['size:>1G', G, false],
    ['size:>1G', G + 1, true],
    ['size:>=1G', G, true],
    ['size:<500M', 500 * M, false],
    ['size:<500M', 500 * M - 1, true],
    ['size:<=500MB', 500 * M, true],
    ['size:100M..2G', 100 * M, true],
    ['size:100M..2G', 2 * G, true],
    ['size:100M..2G', 2 * G + 1, false],
    ['size:1.5k..', 1_500, true],
    ['size:1.5k..', 1_499, false],
    ['size:..1KiB', 1_024, true],
    ['size:..1KiB', 1_025, false],
    ['-size:..1K', K, false],
    ['-size:..1K', K + 1, true],
    ['size:>1K size:<2K', 1_500, true],
    ['size:>1K size:<2K', 2_500, false]
  ]
  for (const [query, size, expected] of cases)
    assert.equal(finds(`x ${query}`, 'x', size), expected, `${query} ${size}`)
  assert.equal(parseBytes('4GiB'), 4 * 2 ** 30)
  for (const wrong of ['', '1x', '1..2', '-1', '1e3', '99999P', '١G']) assert.equal(parseBytes(wrong), undefined, wrong)
})

test('what is no query says where, why and what to write', () => {
  const cases: [string, number, RegExp][] = [
    ['', 0, /at least one word/],
    ['  ... - ', 0, /at least one word/],
    ['-sea', 0, /at least one word/],
    ['size:1G..', 0, /at least one word/],
    ['sea "deep', 4, /not closed/],
    ['sea tpye:video', 4, /no tpye:.*Did you mean type:video\?.*"tpye:video"/],
    ['sea ext:pdf', 4, /type:pdf/],
    ['x type:vidoe', 2, /"vidoe" is no type.*type:video/],
    ['x type:', 2, /needs a type/],
    ['x type:a/b', 2, /no type/],
    ['x size:', 2, /needs a size/],
    ['x size:1G', 2, /more or less.*size:1G\.\./],
    ['x size:>1X', 2, /"1X" is no size/],
    ['x size:2G..1G', 2, /no file/],
    ['x size:<0', 2, /no file/],
    ['x -size:big', 2, /"big" is no size/],
    ['fo*o', 0, /end of a word.*fo\* o/],
    ['a*', 0, /nearly everything/],
    ['x '.repeat(17), 32, /16 terms/],
    ['ä'.repeat(129), 0, /256 bytes/]
  ]
  for (const [text, position, said] of cases) {
    const error = refused(text)
    assert.equal(error.position, position, text)
    assert.match(`${error.message}. ${error.advice}`, said, text)
  }
})

test('what only looks like a key is a part of a name', () => {
  assert.ok(finds('foo:bar', 'foo:bar.txt'))
  assert.ok(finds('http://example.org', 'http example org'))
  assert.ok(finds('Mission: impossible', 'Mission Impossible.mkv'))
  assert.ok(finds('12:30', '12.30 news.mp3'))
  assert.ok(finds('"tpye:video"', 'tpye video'))
  assert.ok(!finds('"type:video"', 'a.mkv'))
})

test('required words are those that every match has', () => {
  assert.deepEqual(requiredTokens(parseQuery('Old "big film" pre* -none type:video size:1G.. a-b* old')), [
    'old',
    'big',
    'film',
    'a'
  ])
  assert.deepEqual(requiredTokens(parseQuery('type:video')), [])
})

test('the best name is the one that is the query', () => {
  const query = parseQuery('blue sea')
  const names = ['Blue Sea.mkv', 'the blue sea and other tales.mkv', 'sea of blue.mkv', 'blue sea/001.mkv']
  const scores = names.map(name => relevance(query, name))
  assert.deepEqual(
    scores.toSorted((a, b) => b - a),
    scores
  )
  assert.equal(new Set(scores).size, names.length)
  assert.equal(Math.round((scores[0] as number) * 100), 100)
  assert.ok(relevance(parseQuery('photos'), 'holidayPhotos.jpg') > relevance(parseQuery('photos'), 'photos/x.jpg'))
  assert.equal(relevance(parseQuery('type:video'), 'x.mkv'), 1)
})

const words = fc.constantFrom('sea', 'Blue', 'fooBar9', '東京都', '都', 'é', 'straße', 'of', 'x', 'mkv', 'ไทย', '12')
const gap = fc.constantFrom(' ', '/', '-', '_', '.', '')
const name = fc
  .array(fc.tuple(words, gap), { minLength: 1, maxLength: 8 })
  .map(list => list.flat().join(''))
  .filter(text => text.replaceAll('/', '') !== '')

test('required words are among the tokens of whatever matches, and a name finds itself', () => {
  fc.assert(
    fc.property(name, fc.string({ unit: 'binary', maxLength: 60 }), (text, other) => {
      for (const candidate of [text, other]) {
        let query: ParsedQuery
        try {
          query = parseQuery(`"${candidate.replaceAll(/["\u201c-\u201f*]/g, ' ')}"`)
        } catch (error) {
          assert.ok(error instanceof QueryError)
          continue
        }
        assert.ok(matches(query, { name: candidate, size: 1 }), `${query.text} does not find itself`)
        const tokens = new Set(nameTokens(candidate))
        for (const token of requiredTokens(query)) assert.ok(tokens.has(token), token)
        const score = relevance(query, candidate)
        assert.ok(score >= 0 && score <= 1 + 1e-9, String(score))
      }
    }),
    { numRuns: 300 }
  )
})

test('a text is a query or a QueryError, and what was understood is understood again', () => {
  const piece = fc.constantFrom(
    '"',
    '-',
    '*',
    'type:',
    'size:',
    '>',
    '<',
    '..',
    '1G',
    'video',
    ',',
    ' ',
    ':',
    '\0',
    '\ud800'
  )
  const text = fc.oneof(
    fc.array(fc.oneof(piece, words), { maxLength: 30 }).map(list => list.join('')),
    fc.string({ unit: 'binary', maxLength: 300 })
  )
  fc.assert(
    fc.property(text, candidate => {
      try {
        const query = parseQuery(candidate)
        assert.ok(query.terms.length + query.excluded.length <= queryLimits.maxTerms)
        assert.deepEqual(parseQuery(query.text), query)
        matches(query, { name: candidate, size: 0 })
      } catch (error) {
        assert.ok(error instanceof QueryError, String(error))
        assert.ok(error.position >= 0 && error.position <= candidate.length)
        assert.ok(error.advice !== '')
      }
    }),
    { numRuns: 1_000 }
  )
})

test('no text and no name costs more than its length', () => {
  const hostile = ['"', '-', '*', 'a*', 'a'.repeat(256), '\u0301', '\ufdfa', 'aaaaaaaaa ', 'size:', '1.', '..', ':']
  const started = process.cpuUsage().user
  for (const piece of hostile) {
    const text = piece.repeat(256).slice(0, 256)
    const longName = piece.repeat(100_000)
    for (const query of [text, `${piece.slice(0, 60)} ${text.slice(0, 60)}`, 'aa']) {
      try {
        matches(parseQuery(query), { name: longName, size: 1 })
        relevance(parseQuery(query), longName)
      } catch (error) {
        assert.ok(error instanceof QueryError, String(error))
      }
    }
  }
  // some 40 calls: a regular expression that goes back over a text would take minutes
  assert.ok(process.cpuUsage().user - started < 20_000_000)
})

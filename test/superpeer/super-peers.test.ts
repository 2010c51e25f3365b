import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../protocols/core/peer.ts'
import { SuperPeers } from '../../src/superpeer/super-peers.ts'

test('who loses its super-peers comes back into the overlay, also when nobody is known any more', () => {
  const calls: unknown[] = []
  const known: Peer[] = ['one' as Peer]
  const superPeers = new SuperPeers({
    protocol: {
      command: () => {},
      setRole: () => {},
      setStrength: () => {},
      setPopulation: () => {},
      canAsk: false,
      isResting: false,
      known,
      clientsOfAll: 0,
      role: 'peer'
    },
    overlay: {
      join: contact => calls.push(['join', contact]),
      leave: () => calls.push(['leave']),
      resize: () => {},
      population: { atLeast: 1 },
      views: () => ({ active: [], passive: [] })
    },
    search: () => {},
    files: () => [],
    measure: () => ({ uptimeMs: 0, uploadBytesPerS: 0, memoryBytes: 0, isReachable: false, load: 0 }),
    part: 'auto',
    onKeys: () => {},
    onChange: () => {},
    onSearchEvent: () => {}
  })
  superPeers.onEvent({ type: 'resting', resting: true })
  superPeers.onEvent({ type: 'resting', resting: false })
  known.pop()
  superPeers.onEvent({ type: 'resting', resting: true })
  superPeers.onEvent({ type: 'resting', resting: false })
  assert.deepEqual(calls, [['leave'], ['join', 'one'], ['leave'], ['join', undefined]])
})

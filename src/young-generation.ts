/**
 * Sets V8's garbage collector for a process that moves much data; to be loaded before anything else.
 *
 * Bytes from disk and socket lie outside V8's heap, and V8 frees them when it collects the small objects that own them.
 * With a young generation that grows to its usual 16 MiB that happens so seldom that hundreds of MiB wait, all of it
 * pages that the kernel has to clear again, and the outside memory forces full collections, whose marking threads then
 * cost more than the encryption of what they free. With a young generation of 2 MiB buffers are freed while they are
 * still in the processor's cache, and marking a heap as small as ours costs least on the main thread.
 * `bench/transfer --default-gc` shows what it is worth.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const WANTED_BYTES = 2 * 1024 * 1024
/** Enough to make it grow, if V8 still works like that. */
const MOST_OBJECTS = 100_000

setFlagsFromString('--no-concurrent-marking')
growYoungGeneration()
setFlagsFromString('--semi-space-growth-factor=1')

/** It begins with 1 MiB and doubles when much of it survives; the size itself cannot be set in a running process. */
function growYoungGeneration(): void {
  const surviving: number[][] = []
  while (youngBytes() < WANTED_BYTES && surviving.length < MOST_OBJECTS) {
    for (let i = 0; i < 100; i++) surviving.push(new Array<number>(100).fill(0))
  }
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? WANTED_BYTES
}

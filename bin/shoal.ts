#!/usr/bin/env node
import '../src/compile-cache.ts'
import '../src/young-generation.ts'

// loaded only now, so that both settings count from the first object on
const { main } = await import('../src/cli/main.ts')
await main()

#!/usr/bin/env node
const v: string = process.version
console.log('shoal', v, process.argv.slice(2))

/**
 * The main job, on this machine alone: five peers as processes of their own find one another on the loopback interface,
 * one of them searches, and fetches a file from three others, of which one is killed on the way.
 *
 *     npm run demo [-- --keep]
 */
import { parseArgs } from 'node:util'
import { runDemo } from '../src/demo/demo.ts'

const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
process.exitCode = await runDemo({ keep: values.keep })

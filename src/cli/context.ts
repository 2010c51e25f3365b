import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Shoal } from '../api.ts'
import type { NodeConfig } from '../config.ts'
import { ShoalError } from '../errors.ts'
import type { Output } from './output.ts'
import type { Io } from './terminal.ts'

/** Options that mean the same for every command that knows them. */
export interface CommonOptions {
  home?: string
  json?: boolean
  peer?: string[]
  interface?: string[]
  listen?: string[]
  group?: string
  discovery?: boolean
}

export type CreateNode = (config: NodeConfig) => Promise<Shoal>

/** What a command is given to work with. */
export interface Context {
  io: Io
  out: Output
  options: CommonOptions
  home: string
  createNode: CreateNode
}

/** The home directory that a user means. */
export function homeOf(option: string | undefined, env: Io['env']): string {
  const named = option ?? nonEmpty(env.SHOAL_HOME)
  if (named === '') throw new ShoalError('USAGE', 'the home directory has no name')
  if (named !== undefined) return resolve(named)
  return join(nonEmpty(env.XDG_DATA_HOME) ?? join(env.HOME ?? homedir(), '.local/share'), 'shoal')
}

/** The configuration that the options ask for. */
export function configOf({ options, home }: Context): NodeConfig {
  const { peer = [], listen = [], group, discovery = true } = options
  return {
    home,
    peers: peer,
    listen,
    interfaces: options.interface ?? [],
    discovery,
    ...(group === undefined ? {} : { groupKeyFile: resolve(group) })
  }
}

/** The options given that say how to reach others, as they were typed. */
export function networkOptionsOf({ options }: Context): string[] {
  const { peer = [], listen = [], group, discovery = true } = options
  return [
    ...(peer.length > 0 ? ['--peer'] : []),
    ...((options.interface ?? []).length > 0 ? ['--interface'] : []),
    ...(listen.length > 0 ? ['--listen'] : []),
    ...(group === undefined ? [] : ['--group']),
    ...(discovery ? [] : ['--no-discovery'])
  ]
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

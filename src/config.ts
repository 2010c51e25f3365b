import { multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import { ShoalError } from './errors.ts'

function isPeerAddress(text: string): boolean {
  try {
    return multiaddr(text).getComponents().at(-1)?.name === 'p2p'
  } catch {
    return false
  }
}

const texts = z.array(z.string().min(1)).default([])

const schema = z.strictObject({
  /** Home directory: key, database, socket. */
  home: z.string().min(1),
  /** Multiaddrs to listen on, without `/p2p`. Default: a port chosen by the system on every address of `interfaces`. */
  listen: texts,
  /** Names of network interfaces to use for finding peers and for listening; default: all that are up. */
  interfaces: texts,
  /** Addresses of peers to stay connected to: multiaddrs that end in `/p2p/<id>`. */
  peers: z
    .array(z.string().refine(isPeerAddress, 'must be a multiaddr that ends in /p2p/<id>, as `shoal status` prints it'))
    .default([]),
  /** File with a group key: only peers with the same key can connect. */
  groupKeyFile: z.string().min(1).optional(),
  /** Whether to look for peers by multicast DNS. */
  discovery: z.boolean().default(true),
  /** No network at all: only what this node shares can be looked at and changed. */
  offline: z.boolean().default(false),
  /** Whether this node takes a place on the ring. One-shot commands are gone too soon: they only ask it. */
  ring: z.boolean().default(true),
  /**
   * super: index what weaker peers share, search for them, and decide where copies are put. peer: never. auto: when the
   * network needs it and this node can.
   */
  role: z.enum(['auto', 'peer', 'super']).default('auto'),
  /** Bytes of disk for copies of what other peers put. */
  offer: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(0),
  /** How long a host of copies may be away before another copy is made, where this node decides that; milliseconds. */
  lostAfterMs: z.number().nonnegative().default(600_000),
  /** What this node fails together with: two copies of one thing are put into different domains. Default: this machine. */
  domain: z.string().min(1).max(64).optional(),
  /** Whether shares are followed while the node runs. One-shot commands leave them as they are. */
  watch: z.boolean().default(true)
})

/** What a program gives to `createNode`. */
export type NodeConfig = z.input<typeof schema>
export type CheckedConfig = z.output<typeof schema>

/** @throws ShoalError BAD_CONFIG that names each wrong value */
export function checkConfig(config: NodeConfig): CheckedConfig {
  const result = schema.safeParse(config)
  if (result.success) return result.data
  const problems = result.error.issues.map(issue => `${issue.path.join('.') || 'configuration'}: ${issue.message}`)
  throw new ShoalError('BAD_CONFIG', problems.join('; '))
}

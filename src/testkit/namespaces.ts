import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'

export interface LanHost {
  readonly name: string
  /** What to put before a command so that it runs on this host. */
  readonly under: string[]
}

/**
 * A local network of `count` hosts: network namespaces with one Ethernet interface each, joined by a bridge in a
 * namespace of its own. Nothing of it touches the machine's own network. Needs root and iproute2.
 */
export class Lan {
  readonly hosts: readonly LanHost[]
  readonly #namespaces: string[]

  /** @param family of the addresses that the hosts have; never both */
  constructor(count: number, family: 'ipv4' | 'ipv6' = 'ipv4') {
    const tag = `sh${randomBytes(3).toString('hex')}`
    const hub = `${tag}hub`
    this.#namespaces = [hub]
    try {
      ip('netns', 'add', hub)
      inside(hub, 'link', 'add', 'bridge', 'type', 'bridge')
      inside(hub, 'link', 'set', 'bridge', 'up')
      this.hosts = Array.from({ length: count }, (_, i) => {
        const name = `${tag}h${i}`
        const cable = `${tag}c${i}`
        ip('netns', 'add', name)
        this.#namespaces.push(name)
        ip('link', 'add', cable, 'netns', hub, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
        inside(hub, 'link', 'set', cable, 'master', 'bridge', 'up')
        inside(name, 'link', 'set', 'lo', 'up')
        if (family === 'ipv4') inside(name, 'address', 'add', `10.77.0.${i + 1}/24`, 'dev', 'eth0')
        else inside(name, '-6', 'address', 'add', `fd77::${i + 1}/64`, 'dev', 'eth0', 'nodad')
        inside(name, 'link', 'set', 'eth0', 'up')
        return { name, under: ['ip', 'netns', 'exec', name] }
      })
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** Takes the network down. Processes on its hosts must have ended. */
  remove(): void {
    for (const name of this.#namespaces.splice(0).reverse()) {
      try {
        ip('netns', 'delete', name)
      } catch {
        // it was not made, or is gone
      }
    }
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function inside(namespace: string, ...args: string[]): void {
  ip('-n', namespace, ...args)
}

import { randomBytes } from 'node:crypto'
import type { NetworkInterfaceInfo } from 'node:os'
import makeMdns, { type MulticastDNS, type ResponseOutgoingPacket, type ResponsePacket } from 'multicast-dns'
import { BoundedMap } from '../../protocols/core/bounded-map.ts'
import { TokenBucket } from '../../protocols/core/token-bucket.ts'
import { hostOf, isLinkLocal, type UsableInterface, usableInterfaces } from './interfaces.ts'

const GROUP_V4 = '224.0.0.251'
const GROUP_V6 = 'ff02::fb'

export const mdnsConfig = {
  port: 5353,
  /** Questions go out at once, then at growing intervals up to this one (RFC 6762 §5.2). */
  firstIntervalMs: 1_000,
  lastIntervalMs: 20_000,
  /** Interfaces come and go: looked at this often. */
  interfacesMs: 5_000,
  /** Addresses that are taken from one answer. */
  maxAddresses: 16,
  /** Answers a second that are looked at, and answers a second that are given. */
  inbound: { rate: 100, burst: 300 },
  outbound: { rate: 10, burst: 20 },
  /** Seconds for which others may keep an answer. */
  ttlSeconds: 120
}

export interface MdnsInit {
  /** Service name without domain, as `_shoal`; groups have names of their own. */
  tag: string
  /** Names of interfaces, or none for all that can multicast. */
  interfaces: readonly string[]
  /** Our multiaddrs with `/p2p/<id>`, as of now. */
  addresses(): string[]
  /** A peer that somebody announced: multiaddrs that end in `/p2p/<id>`. Only a hint: nothing of it is verified. */
  onFound(addresses: string[]): void
  networkInterfaces(): NodeJS.Dict<NetworkInterfaceInfo[]>
}

type Answer = NonNullable<ResponseOutgoingPacket['answers']>[number]

/** A socket that is a member on one interface, and sends on that one. */
interface Socket {
  mdns: MulticastDNS
  problem: string | undefined
}

/**
 * Finds peers on the local network by the messages of libp2p's mDNS specification: TXT records `dnsaddr=<multiaddr>`
 * under `<tag>._udp.local`. It has one socket for each interface and address family, so that it sends on every one of
 * them; the system's default route may lead to a VPN.
 */
export class MdnsDiscovery {
  readonly #init: MdnsInit
  readonly #service: string
  /** A name that tells nothing, as the specification asks. */
  readonly #instance = randomBytes(20).toString('hex')
  readonly #sockets = new Map<string, Socket>() // BOUNDED by the machine's interfaces
  readonly #inbound = new TokenBucket(mdnsConfig.inbound)
  readonly #outbound = new TokenBucket(mdnsConfig.outbound)
  readonly #heard = new BoundedMap<string, true>(1_024)
  #interval = mdnsConfig.firstIntervalMs
  #timers: ReturnType<typeof setTimeout>[] = []
  #running = false

  constructor(init: MdnsInit) {
    this.#init = init
    this.#service = `${init.tag}._udp.local`
  }

  start(): void {
    this.#running = true
    this.#followInterfaces()
    this.#ask()
  }

  async stop(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    for (const timer of this.#timers) clearTimeout(timer)
    const sockets = [...this.#sockets.values()]
    this.#sockets.clear()
    await Promise.all(
      sockets.map(
        ({ mdns }) =>
          new Promise<void>(resolve => {
            mdns.respond({ answers: this.#answers(0) }, () => mdns.destroy(() => resolve()))
          })
      )
    )
  }

  /** Says who we are now, without being asked: our addresses have changed. */
  announce(): void {
    for (const { mdns } of this.#sockets.values()) this.#respond(mdns)
  }

  /** Where it looks for peers, and where it cannot. */
  get interfaces(): { name: string; working: boolean; problem?: string }[] {
    const byName = new Map<string, Socket[]>()
    for (const [key, socket] of this.#sockets) {
      const name = key.split(' ')[0] as string
      byName.set(name, [...(byName.get(name) ?? []), socket])
    }
    return [...byName].map(([name, sockets]) => {
      const working = sockets.some(({ problem }) => problem === undefined)
      const problem = sockets.find(socket => socket.problem !== undefined)?.problem
      return { name, working, ...(working || problem === undefined ? {} : { problem }) }
    })
  }

  #followInterfaces(): void {
    if (!this.#running) return
    let usable: UsableInterface[] = []
    try {
      usable = usableInterfaces(this.#init.networkInterfaces(), this.#init.interfaces)
    } catch {
      // a named interface is down; it may come back
    }
    const wanted = new Map<string, () => MulticastDNS>()
    for (const { name, ipv4, ipv6 } of usable) {
      const first = ipv4[0]
      if (first !== undefined) wanted.set(`${name} ${first}`, () => open4(first))
      if (ipv6.some(isLinkLocal)) wanted.set(`${name} ipv6`, () => open6(name))
    }
    for (const [key, socket] of this.#sockets) {
      if (wanted.has(key)) continue
      socket.mdns.destroy()
      this.#sockets.delete(key)
    }
    for (const [key, make] of wanted) if (!this.#sockets.has(key)) this.#open(key, make)
    this.#after(mdnsConfig.interfacesMs, () => this.#followInterfaces())
  }

  #open(key: string, make: () => MulticastDNS): void {
    const socket: Socket = { mdns: make(), problem: undefined }
    this.#sockets.set(key, socket)
    socket.mdns.on('error', error => {
      socket.problem = error.message
    })
    socket.mdns.on('warning', () => {})
    socket.mdns.on('query', query => {
      if (query.questions.some(question => question.name === this.#service)) {
        // many machines answer at once: a little later, each at its own moment (RFC 6762 §6)
        this.#after(20 + Math.random() * 100, () => this.#respond(socket.mdns))
      }
    })
    socket.mdns.on('response', response => this.#onResponse(response))
    socket.mdns.on('ready', () => {
      this.#query(socket.mdns)
      this.#respond(socket.mdns)
    })
  }

  #ask(): void {
    if (!this.#running) return
    for (const { mdns } of this.#sockets.values()) this.#query(mdns)
    this.#after(this.#interval, () => this.#ask())
    this.#interval = Math.min(this.#interval * 2, mdnsConfig.lastIntervalMs)
  }

  #query(mdns: MulticastDNS): void {
    if (this.#running) mdns.query({ questions: [{ name: this.#service, type: 'PTR' }] }, ignoreProblem)
  }

  #respond(mdns: MulticastDNS): void {
    if (!this.#running || !this.#outbound.take(performance.now())) return
    const answers = this.#answers(mdnsConfig.ttlSeconds)
    if (answers.length > 1) mdns.respond({ answers } as ResponseOutgoingPacket, ignoreProblem)
  }

  #answers(ttl: number): Answer[] {
    const peer = `${this.#instance}.${this.#service}`
    const pointer: Answer = { name: this.#service, type: 'PTR', class: 'IN', ttl, data: peer }
    const texts = this.#init.addresses().slice(0, mdnsConfig.maxAddresses)
    return [
      pointer,
      ...texts.map((address): Answer => ({ name: peer, type: 'TXT', ttl, data: Buffer.from(`dnsaddr=${address}`) }))
    ]
  }

  #onResponse(response: ResponsePacket): void {
    if (!this.#running || !this.#inbound.take(performance.now())) return
    const records = [...response.answers, ...response.additionals]
    const names = new Set(
      records.flatMap(record => (record.type === 'PTR' && record.name === this.#service ? [String(record.data)] : []))
    )
    names.delete(`${this.#instance}.${this.#service}`)
    const addresses: string[] = []
    for (const record of records) {
      if (record.type !== 'TXT' || !names.has(record.name) || record.ttl === 0) continue
      for (const data of Array.isArray(record.data) ? record.data : [record.data]) {
        const text = data.toString()
        if (text.startsWith('dnsaddr=/') && text.length <= 512 && /\/p2p\/[^/]+$/.test(text))
          addresses.push(text.slice(8))
      }
    }
    if (addresses.length === 0) return
    const usable = addresses.slice(0, mdnsConfig.maxAddresses).filter(address => hostOf(address) !== undefined)
    const key = usable.join()
    if (!this.#heard.has(key)) {
      // a peer that is new here wants to know of us as soon as we know of it
      this.#heard.set(key, true)
      this.announce()
    }
    this.#init.onFound(usable)
  }

  #after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers = this.#timers.filter(other => other !== timer)
      run()
    }, ms)
    timer.unref()
    this.#timers.push(timer)
  }
}

function open4(address: string): MulticastDNS {
  return makeMdns({
    port: mdnsConfig.port,
    ip: GROUP_V4,
    interface: address,
    bind: '0.0.0.0',
    ttl: 255,
    loopback: true,
    reuseAddr: true
  })
}

function open6(name: string): MulticastDNS {
  return makeMdns({
    port: mdnsConfig.port,
    type: 'udp6',
    ip: `${GROUP_V6}%${name}`,
    interface: `::%${name}`,
    bind: '::',
    ttl: 255,
    loopback: true,
    reuseAddr: true
  })
}

function ignoreProblem(): void {
  // the interface may just have gone; the next look at the interfaces finds out
}

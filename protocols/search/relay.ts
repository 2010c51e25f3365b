import type { Peer } from '../core/peer.ts'
import { ALL, type Order } from './branch.ts'
import { searchLimits } from './config.ts'
import { choose, countedBytes, inMessages } from './hits.ts'
import type { Links } from './links.ts'
import type { HitsMessage, HolderHits, QueryMessage, ReportMessage } from './messages.ts'
import { type Path, Paths } from './paths.ts'

/** Queries of others: answered, passed on within what they may cost, and reported on. */
export class Relay {
  readonly #links: Links
  readonly #paths: Paths

  constructor(links: Links) {
    this.#links = links
    this.#paths = new Paths(links.config)
  }

  nextTick(): number {
    return this.#paths.nextDeadline()
  }

  onTick(): void {
    for (const path of this.#paths.due(this.#links.now)) {
      this.#links.timeOut(path.branch)
      this.#settle(path)
    }
  }

  onQuery(from: Peer, message: QueryMessage): void {
    const { id } = message
    const links = this.#links
    const known = this.#paths.get(id, links.now)
    if (known !== undefined && (known.parent !== from || known.isWaiting)) {
      known.branch.sawAt(from)
      links.sayKnown(from, id)
      return
    }
    const { maxTtl, maxWalk, maxBudget } = links.config
    const maxHops = message.width === ALL ? maxTtl : maxWalk
    const ttl = Math.min(message.ttl, maxHops - message.hops) - 1
    // one that is refused is not remembered: it may come again by another way that has room for it
    if (ttl < 0 || !links.takesQuery(from, message.hops / (maxHops + 1))) {
      links.sayRefused(from, id)
      return
    }
    const { width, budget, want } = message
    const order = { ttl, width, budget: Math.min(budget, maxBudget), want: Math.max(1, want) }
    if (known === undefined) {
      this.#begin(from, message, order)
      return
    }
    this.#paths.renew(known, order, links.now)
    this.#goOn(known, known.told === undefined ? [] : this.#look(known))
  }

  /** Returns false when the peer was asked for no such hits. */
  onHits(from: Peer, message: HitsMessage): boolean {
    const links = this.#links
    const path = this.#paths.get(message.id, links.now)
    if (path?.branch.hasAsked(from) !== true) return false
    const { branch, parent } = path
    const { id, report } = message
    const answers = links.takeHits(branch, from, message)
    const goesOn =
      answers !== undefined && parent !== undefined && this.#paths.takeBytes(path, from, countedBytes(answers))
    if (goesOn) for (const { holder } of answers) branch.countHolder(holder, from)
    if (report !== undefined) {
      if (links.takeReport(branch, from, report)) links.ask(branch, path)
      else links.onStray(from)
    }
    if (goesOn) {
      const onward = answers.map(answer => ({ ...answer, hops: answer.hops + 1 }))
      links.send(parent, this.#withReport(path, { type: 'hits', id, answers: onward }))
    }
    if (branch.isOver) this.#settle(path)
    return true
  }

  /** Returns false when no such report was due. */
  onReport(from: Peer, report: ReportMessage): boolean {
    const path = this.#paths.get(report.id, this.#links.now)
    if (path === undefined || !this.#links.takeReport(path.branch, from, report)) return false
    this.#advance(path)
    return true
  }

  peerDown(peer: Peer): void {
    for (const path of this.#paths.lose(peer)) this.#advance(path)
  }

  #begin(from: Peer, message: QueryMessage, order: Order): void {
    const links = this.#links
    const { id, query } = message
    const limit = Math.min(message.limit, searchLimits.maxHits)
    const init = { id, parent: from, hops: message.hops + 1, limit, query, order }
    const { path, ended } = this.#paths.add(init, links.now)
    for (const other of ended) this.#report(other)
    path.branch.countPeer()
    this.#goOn(path, this.#look(path))
  }

  /** What this node knows of that was not told before. For walkers no more than they want: there may be much. */
  #look(path: Path): HolderHits[] {
    const { lookup, config, rng } = this.#links
    const { parent, limit, query, branch, told } = path
    const most =
      branch.order.width === ALL ? config.maxAnswerHolders : Math.min(branch.order.want, config.maxAnswerHolders)
    const choice = {
      limit,
      most,
      maxBytes: config.maxAnswerBytes,
      isLeftOut: (holder: Peer) => holder === parent || told?.has(holder) === true
    }
    const { chosen, isCut } = choose(lookup(query, limit), choice, rng)
    branch.hasLeft = isCut && (told?.size ?? 0) < config.maxHolders
    if (isCut || told !== undefined) path.told = new Set([...(told ?? []), ...chosen.map(({ holder }) => holder)])
    for (const { holder } of chosen) branch.countHolder(holder)
    return chosen
  }

  #goOn(path: Path, found: readonly HolderHits[]): void {
    const { id, parent, branch } = path
    const answers = inMessages(found.map(one => ({ ...one, hops: 1 })))
    this.#links.ask(branch, path)
    for (const [i, part] of answers.entries()) {
      if (parent === undefined) break
      const answer: HitsMessage = { type: 'hits', id, answers: part }
      this.#links.send(parent, i === answers.length - 1 ? this.#withReport(path, answer) : answer)
    }
    if (branch.isOver) this.#settle(path)
  }

  /** Goes on while it waits for reports, and reports when there is nobody left to ask. */
  #advance(path: Path): void {
    if (!path.isWaiting) return
    this.#links.ask(path.branch, path)
    if (path.branch.isOver) this.#settle(path)
  }

  /** Reports, unless that was done. */
  #settle(path: Path): void {
    if (this.#paths.settle(path)) this.#report(path)
  }

  #report(path: Path): void {
    path.branch.giveUp()
    if (path.parent !== undefined) this.#links.report(path.parent, path.id, path.branch.takeSum())
  }

  /** These hits, with the report if they are the last of their branch. */
  #withReport(path: Path, message: HitsMessage): HitsMessage {
    if (!path.branch.isOver || !this.#paths.settle(path)) return message
    path.branch.giveUp()
    return { ...message, report: path.branch.takeSum() }
  }
}

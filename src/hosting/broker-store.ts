import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { BrokerStore, Hosted, Lease, LeaseState, Order, Owned } from '../../protocols/broker/index.ts'
import type { Infohash } from '../../protocols/core/ids.ts'
import type { Peer } from '../../protocols/core/peer.ts'
import { type Row, Statements } from '../statements.ts'

/** What the broker machine keeps, in the node's database. Every change is a transaction of its own. */
export class SqliteBrokerStore implements BrokerStore {
  readonly #sql: Statements

  /** @param self what was ordered or held under an earlier key is another peer's, and is dropped */
  constructor(database: DatabaseSync, self: Peer) {
    this.#sql = new Statements(database)
    this.#sql.run('DELETE FROM broker_owned WHERE owner <> ?', self as string)
  }

  readOwned(): Owned[] {
    return this.#sql
      .all('SELECT * FROM broker_owned')
      .map(row => ({ order: orderOf(row), name: row.name as string, isSettled: row.is_settled === 1 }))
  }

  putOwned({ order, name, isSettled }: Owned): void {
    this.#put('broker_owned', { ...orderRow(order), name, is_settled: Number(isSettled) })
  }

  deleteOwned(infohash: Infohash): void {
    this.#sql.run('DELETE FROM broker_owned WHERE infohash = ?', infohash)
  }

  readOrders(): Order[] {
    return this.#sql.all('SELECT * FROM broker_orders').map(orderOf)
  }

  putOrder(order: Order): void {
    this.#put('broker_orders', orderRow(order))
  }

  deleteOrder(owner: Peer, infohash: Infohash): void {
    this.#sql.run('DELETE FROM broker_orders WHERE owner = ? AND infohash = ?', owner as string, infohash)
  }

  readLeases(): Lease[] {
    return this.#sql.all('SELECT * FROM broker_leases').map(leaseOf)
  }

  putLease({ host, owner, ...lease }: Lease): void {
    this.#put('broker_leases', { host: host as string, owner: owner as string, ...lease })
  }

  deleteLease(host: Peer, owner: Peer, infohash: Infohash): void {
    this.#sql.run(
      'DELETE FROM broker_leases WHERE host = ? AND owner = ? AND infohash = ?',
      host as string,
      owner as string,
      infohash
    )
  }

  readHosted(): Hosted[] {
    return this.#sql.all('SELECT * FROM broker_hosted').map(row => ({
      order: orderOf(row),
      state: row.state as LeaseState,
      since: Number(row.since),
      brokers: JSON.parse(row.brokers as string) as Peer[],
      sources: JSON.parse(row.sources as string) as Peer[]
    }))
  }

  putHosted({ order, state, since, brokers, sources }: Hosted): void {
    const lists = { brokers: JSON.stringify(brokers), sources: JSON.stringify(sources) }
    this.#put('broker_hosted', { ...orderRow(order), state, since, ...lists })
  }

  deleteHosted(owner: Peer, infohash: Infohash): void {
    this.#sql.run('DELETE FROM broker_hosted WHERE owner = ? AND infohash = ?', owner as string, infohash)
  }

  #put(table: string, row: Record<string, SQLInputValue>): void {
    const columns = Object.keys(row)
    const marks = columns.map(() => '?').join(', ')
    this.#sql.run(`INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${marks})`, ...Object.values(row))
  }
}

function orderRow({ owner, ...order }: Order): Record<string, SQLInputValue> {
  return { owner: owner as string, ...order }
}

function orderOf(row: Row): Order {
  return {
    owner: peerOf(row.owner),
    infohash: row.infohash as Infohash,
    size: Number(row.size),
    copies: Number(row.copies),
    seq: Number(row.seq),
    expires: Number(row.expires),
    signature: row.signature as Uint8Array
  }
}

function leaseOf(row: Row): Lease {
  return {
    host: peerOf(row.host),
    owner: peerOf(row.owner),
    infohash: row.infohash as Infohash,
    seq: Number(row.seq),
    state: row.state as LeaseState,
    since: Number(row.since),
    expires: Number(row.expires),
    domain: row.domain as string,
    signature: row.signature as Uint8Array
  }
}

function peerOf(text: SQLInputValue | undefined): Peer {
  return text as string as Peer
}

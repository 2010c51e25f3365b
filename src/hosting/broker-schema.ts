/**
 * What the broker machine keeps: orders of this node, orders and leases of others that it is a broker of, and what it
 * hosts. Peers are their ids, infohashes 64 hex digits, times as in protocols/broker.
 */
export const brokerSchema = `
CREATE TABLE IF NOT EXISTS broker_owned (
  infohash TEXT PRIMARY KEY,
  owner TEXT NOT NULL, size INTEGER NOT NULL, copies INTEGER NOT NULL, seq INTEGER NOT NULL, expires INTEGER NOT NULL,
  signature BLOB NOT NULL,
  name TEXT NOT NULL, is_settled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS broker_orders (
  owner TEXT NOT NULL, infohash TEXT NOT NULL,
  size INTEGER NOT NULL, copies INTEGER NOT NULL, seq INTEGER NOT NULL, expires INTEGER NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (owner, infohash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS broker_leases (
  host TEXT NOT NULL, owner TEXT NOT NULL, infohash TEXT NOT NULL,
  seq INTEGER NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT NULL, domain TEXT NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (host, owner, infohash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS broker_hosted (
  owner TEXT NOT NULL, infohash TEXT NOT NULL,
  size INTEGER NOT NULL, copies INTEGER NOT NULL, seq INTEGER NOT NULL, expires INTEGER NOT NULL,
  signature BLOB NOT NULL,
  state TEXT NOT NULL, since INTEGER NOT NULL, brokers TEXT NOT NULL, sources TEXT NOT NULL,
  PRIMARY KEY (owner, infohash)
) WITHOUT ROWID;`

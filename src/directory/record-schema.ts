/**
 * What the directory keeps, apart from everything else in the database: what lies here for others, and this node's own
 * entries. Ids, hashes and payloads are blobs; they sort as the hex of them does.
 */
export const directorySchema = `
  CREATE TABLE IF NOT EXISTS directory_records (
    key BLOB NOT NULL, publisher_id BLOB NOT NULL, publisher TEXT NOT NULL, kind TEXT NOT NULL,
    seq INTEGER NOT NULL, expires INTEGER NOT NULL, is_removed INTEGER NOT NULL, hash BLOB NOT NULL,
    -- as storedBytes counts
    bytes INTEGER NOT NULL,
    signature BLOB NOT NULL,
    -- NULL for a value: its bytes are in directory_values, once for all who publish it
    payload BLOB
  );
  -- all that a comparison and the sums read, so that they read nothing else
  CREATE INDEX IF NOT EXISTS directory_order ON directory_records (key, publisher_id, seq, hash, bytes);
  CREATE INDEX IF NOT EXISTS directory_expiry ON directory_records (expires);
  CREATE TABLE IF NOT EXISTS directory_values (key BLOB PRIMARY KEY, payload BLOB NOT NULL);
  -- of each network, so that nothing that was published in a private group appears elsewhere
  CREATE TABLE IF NOT EXISTS directory_own (
    network TEXT NOT NULL, key BLOB NOT NULL, publisher TEXT NOT NULL, kind TEXT NOT NULL,
    seq INTEGER NOT NULL, expires INTEGER NOT NULL, is_removed INTEGER NOT NULL,
    payload BLOB NOT NULL, signature BLOB NOT NULL, due_ms REAL NOT NULL,
    PRIMARY KEY (network, key)
  );
  CREATE INDEX IF NOT EXISTS directory_due ON directory_own (network, due_ms);
  CREATE TABLE IF NOT EXISTS directory_network (only INTEGER PRIMARY KEY CHECK (only = 1), network TEXT NOT NULL);
`

import { wordsSchema } from './word-index.ts'

/**
 * What is shared. A share is a file or folder that the user named; its files are rows of `files`, their words are in
 * `words` under the same rowid. `trackers` are the tiers that its collection came with. Piece layers are kept at `pieceLengthFor(size)`: 32 bytes for each 256 KiB or more.
 */
export const librarySchema = `
CREATE TABLE IF NOT EXISTS shares (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  folder INTEGER NOT NULL,
  hidden INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  skipped INTEGER NOT NULL DEFAULT 0,
  infohash TEXT,
  torrent BLOB,
  info BLOB,
  trackers TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS shares_infohash ON shares (infohash);
CREATE TABLE IF NOT EXISTS files (
  id INTEGER PRIMARY KEY,
  share INTEGER NOT NULL REFERENCES shares (id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  size INTEGER NOT NULL,
  mtime_ms REAL NOT NULL,
  ino INTEGER NOT NULL,
  root TEXT,
  piece_length INTEGER NOT NULL,
  piece_layer BLOB,
  scan INTEGER NOT NULL,
  UNIQUE (share, path)
);
CREATE INDEX IF NOT EXISTS files_root ON files (root);
${wordsSchema('words')}`

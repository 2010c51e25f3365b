import { wordsSchema } from '../library/word-index.ts'

/**
 * What others share, for whom this node answers searches, and this node's own catalogue as it tells it to others. The
 * words of an item's name are in `catalogue_words` under the item's rowid.
 */
export const catalogueSchema = `
CREATE TABLE IF NOT EXISTS catalogues (
  id INTEGER PRIMARY KEY,
  publisher TEXT NOT NULL UNIQUE,
  seq INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  count INTEGER NOT NULL,
  bits INTEGER NOT NULL,
  root TEXT NOT NULL,
  signature BLOB NOT NULL,
  items INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS catalogue_items (
  id INTEGER PRIMARY KEY,
  catalogue INTEGER NOT NULL REFERENCES catalogues (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  file TEXT NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  infohash TEXT,
  UNIQUE (catalogue, key)
);
CREATE INDEX IF NOT EXISTS catalogue_items_file ON catalogue_items (file);
CREATE INDEX IF NOT EXISTS catalogue_items_infohash ON catalogue_items (infohash) WHERE infohash IS NOT NULL;
${wordsSchema('catalogue_words')}`

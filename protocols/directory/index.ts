export * from './commands.ts'
export * from './config.ts'
export * from './directory.ts'
export {
  type Entry,
  type EntryKind,
  keyOfValue,
  ownContent,
  ownKey,
  ownPayload,
  type StoredEntry,
  signedBytes,
  storedBytes
} from './entry.ts'
export { itemsOf, itemsPayload } from './items.ts'
export { MemoryRecordStore } from './memory-record-store.ts'
export * from './messages.ts'
export type { Arc } from './place.ts'
export type { Head, RecordStore, Usage } from './record-store.ts'

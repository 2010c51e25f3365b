export * from './config.ts'
export * from './messages.ts'
export * from './tracker.ts'

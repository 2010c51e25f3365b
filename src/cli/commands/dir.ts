import { readFile } from 'node:fs/promises'
import type { DirectoryAnswer, DirectoryEntry, DirectoryPut } from '../../api.ts'
import { ShoalError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { shown } from '../escape.ts'
import { interruptible, withPeer } from '../peer.ts'
import { cut, table } from '../table.ts'
import { peerText } from '../transfer-text.ts'
import { bytesText, countText, durationText } from '../units.ts'

/** What the directory takes as one value, bytes. */
const MAX_VALUE_BYTES = 16 * 1024
/** Columns of what an entry says. All of it is in the JSON. */
const TEXT_COLUMNS = 60

const COLUMNS = [
  { title: 'KIND' },
  { title: 'PUBLISHER' },
  { title: 'AGE', right: true },
  { title: 'EXPIRES IN', right: true },
  { title: 'CONTENT' }
]

export async function dirGet(context: Context, key: string, options: { careful?: boolean }): Promise<void> {
  const { out, io } = context
  const careful = options.careful === true
  await withPeer(context, 'network', async shoal => {
    const answer = await interruptible(context, shoal.directoryGet(key, { careful, signal: io.interrupted }))
    out.record('directory', answer)
    for (const line of answerText(answer, Date.now())) {
      out.say(line.startsWith('KIND') ? out.paint('bold', line) : line)
    }
  })
}

export async function dirPut(context: Context, file: string): Promise<void> {
  const payload = await interruptible(context, file === '-' ? readStdin(context) : readValue(file))
  await withPeer(context, 'network', async (shoal, own) => {
    const entry = { kind: 'value', payload: payload.toString('base64') } as const
    tellPut(context, own, await interruptible(context, shoal.directoryPut(entry)))
  })
}

export async function dirAppend(context: Context, key: string, texts: string[]): Promise<void> {
  await withPeer(context, 'network', async (shoal, own) => {
    tellPut(context, own, await interruptible(context, shoal.directoryAppend(key, texts.map(base64Of))))
  })
}

export async function dirRemove(context: Context, key: string, texts: string[]): Promise<void> {
  const { out } = context
  await withPeer(context, 'network', async shoal => {
    const items = texts.length === 0 ? undefined : texts.map(base64Of)
    const removed = await interruptible(context, shoal.directoryRemove(key, items))
    out.record('removed', { key: removed, ...(items === undefined ? {} : { items }) })
    out.say(`taken back: ${shown(removed)}`)
  })
}

function tellPut({ out }: Context, own: boolean, put: DirectoryPut): void {
  out.record('published', put)
  out.say(shown(put.key))
  out.hint(`${countText(put.copies, 'peer')} ${put.copies === 1 ? 'keeps' : 'keep'} it`)
  if (own) out.note('No peer runs here (`shoal up` starts one): without one it is gone within a day.')
}

function answerText({ key, entries, total, isComplete }: DirectoryAnswer, now: number): string[] {
  const more = isComplete ? '' : '; there may be more'
  if (entries.length === 0) return [`${shown(key)}: nothing${isComplete ? '' : ' found'}${more}`]
  const count = total > entries.length ? `${entries.length} of ${total} entries` : countText(total, 'entry', 'entries')
  const rows = entries.map(entry => [
    entry.kind,
    peerText(entry.publisher),
    durationText(Math.max(now - entry.publishedAt, 0)),
    durationText(Math.max(entry.expiresAt - now, 0)),
    cut(contentText(entry), TEXT_COLUMNS)
  ])
  return [`${shown(key)}: ${count}${more}`, '', ...table(COLUMNS, rows)]
}

function contentText({ name, payload, items }: DirectoryEntry): string {
  const what = items === undefined ? bytesOrText(payload) : items.map(bytesOrText).join(', ')
  return name === undefined ? what : `${shown(name)}: ${what}`
}

/** Text as it is, anything else in hex with its size. */
function bytesOrText(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  const text = bytes.toString('utf8')
  const isText = Buffer.from(text).equals(bytes) && !/[\p{Cc}\p{Cn}\p{Co}]/u.test(text.replace(/[\n\r\t]/g, ''))
  return isText ? shown(text) : `${bytesText(bytes.byteLength)} ${bytes.subarray(0, TEXT_COLUMNS).toString('hex')}`
}

function base64Of(text: string): string {
  return Buffer.from(text).toString('base64')
}

async function readValue(file: string): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new ShoalError('NOT_FOUND', `there is no ${file}`, { next: 'Check the path.' })
    throw new ShoalError('PERMISSION', `cannot read ${file}: ${message}`, { cause: error })
  }
  if (bytes.byteLength > MAX_VALUE_BYTES) throw tooLarge()
  return bytes
}

async function readStdin({ io }: Context): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of io.stdin) {
    size += chunk.byteLength
    if (size > MAX_VALUE_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(): ShoalError {
  return new ShoalError('USAGE', `a value has at most ${MAX_VALUE_BYTES} bytes`, {
    next: 'Share it as a file: `shoal share PATH`.'
  })
}

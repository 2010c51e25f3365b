import type { Share, ShareEvent } from '../api.ts'
import { shown } from './escape.ts'
import type { Output } from './output.ts'
import { bytesText, countText, rateText } from './units.ts'

/** Tells what happens while paths are hashed. */
export function reportShareEvent(event: ShareEvent, out: Output): void {
  out.record(event.type, event)
  switch (event.type) {
    case 'scanned':
      out.progress(() => `${shown(event.path)}: ${countText(event.files, 'file')}, ${bytesText(event.bytes)}`)
      break
    case 'hashing':
      out.progress(() => hashingText(event))
      break
    case 'problem':
      if (!out.json) out.note(`not shared: ${shown(event.path)}: ${shown(event.message)}`)
      break
    case 'shared':
      out.say(`${out.paint('bold', shown(event.share.name))}: ${shareText(event.share)}`)
      break
  }
}

export function shareText({ files, bytes, skipped }: Share): string {
  const left = skipped === 0 ? '' : ` (${skipped} left out: hidden, secret or ignored)`
  return `${countText(files, 'file')}, ${bytesText(bytes)}${left}`
}

function hashingText(event: Extract<ShareEvent, { type: 'hashing' }>): string {
  const { path, filesDone, files, bytesDone, bytes, rate } = event
  return (
    `hashing ${shown(path)}: ${filesDone} of ${countText(files, 'file')}, ` +
    `${bytesText(bytesDone)} of ${bytesText(bytes)}, ${rateText(rate)}`
  )
}

import { idToBytes } from '../core/ids.ts'
import { leadsToRoot, type Sha256 } from '../metainfo/index.ts'
import { challengedBlocks } from './challenge.ts'
import type { Answer, Question } from './messages.ts'

export type Verdict =
  /** The file has exactly so many bytes, and who answered could show the block that was drawn. */
  | { readonly type: 'proven'; readonly size: number }
  | { readonly type: 'refused' }
  /** No honest peer answers so. */
  | { readonly type: 'wrong'; readonly reason: string }

export function judge({ id, challenge }: Question, answer: Answer, sha256: Sha256): Verdict {
  if (answer.type === 'refused') return answer
  const { size, blocks } = answer
  const wanted = challengedBlocks(challenge, size)
  if (blocks.length !== wanted.length) return { type: 'wrong', reason: 'a proof with other blocks than were asked for' }
  const root = idToBytes(id)
  for (const [i, block] of wanted.entries()) {
    if (leadsToRoot(root, size, { block, ...blocks[i]! }, sha256)) continue
    const which = i === 0 ? 'the end' : 'a block'
    return { type: 'wrong', reason: `a proof in which ${which} of the file does not lead to its id` }
  }
  return { type: 'proven', size }
}

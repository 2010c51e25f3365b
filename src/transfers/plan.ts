import type { FileId, SwarmId } from '../../protocols/core/ids.ts'
import {
  checkName,
  isSingleFile,
  Layout,
  layoutOf,
  type Metainfo,
  metainfoLimits,
  pieceLengthFor
} from '../../protocols/metainfo/index.ts'
import { ShoalError } from '../errors.ts'
import { PARTIAL_ENDING } from '../library/ignore.ts'
import type { Leads } from './target.ts'

/** All that is known of something before its bytes are fetched. */
export interface Plan {
  id: SwarmId
  /** A collection's name, or the file's. */
  name: string
  layout: Layout
  /** Name of the folder that a collection makes; undefined for a single file. */
  collection: string | undefined
  /** Undefined for a file that is fetched by its own id. */
  metainfo: Metainfo | undefined
  leads: Leads
}

/** A file by its id. What a stranger called it becomes the last part of that, or the id if that is no name. */
export function planOfFile(file: { id: FileId; name: string | undefined; size: number; leads: Leads }): Plan {
  const { id, size, leads } = file
  if (size > metainfoLimits.maxBytes) throw new ShoalError('BAD_METAINFO', 'the file is larger than any disk')
  if (!isPossibleSize(size)) throw new ShoalError('BAD_METAINFO', `no transfer can fetch a file of ${size} bytes`)
  const name = usableName(file.name) ?? id
  return { id, name, layout: Layout.single(id, size, name), collection: undefined, metainfo: undefined, leads }
}

/** Whether a file that has an id can be of so many bytes. */
export function isPossibleSize(size: number): boolean {
  const { maxBytes, maxPieces } = metainfoLimits
  return size > 0 && size <= maxBytes && Math.ceil(size / pieceLengthFor(size)) <= maxPieces
}

/** @throws ShoalError BAD_METAINFO for names that this node gives to partial files */
export function planOfCollection(metainfo: Metainfo, leads: Leads): Plan {
  if (metainfo.files.some(({ path }) => path.some(part => part.endsWith(PARTIAL_ENDING)))) {
    throw new ShoalError('BAD_METAINFO', `a file of ${metainfo.name} is called like an unfinished download`)
  }
  return {
    id: metainfo.infohash,
    name: metainfo.name,
    layout: layoutOf(metainfo),
    collection: isSingleFile(metainfo) ? undefined : metainfo.name,
    metainfo,
    leads
  }
}

/**
 * Indices of the files that the user chose; undefined for all, also where all are named. A folder stands for everything in it, and the
 * collection's own name in front does not matter.
 *
 * @throws ShoalError NOT_FOUND that names what is not there
 */
export function chooseFiles(plan: Plan, wanted: readonly string[] | undefined): ReadonlySet<number> | undefined {
  if (wanted === undefined || wanted.length === 0) return undefined
  const chosen = new Set<number>()
  const paths = plan.layout.files.map(({ path }) => path.join('/'))
  for (const text of wanted) {
    const name = text.replace(/^\.?\/+|\/+$/g, '')
    const below = name.startsWith(`${plan.name}/`) ? name.slice(plan.name.length + 1) : name
    const before = chosen.size
    for (const [index, path] of paths.entries()) {
      if (path === name || path === below || path.startsWith(`${below}/`)) chosen.add(index)
    }
    if (chosen.size === before && !paths.some(path => path === name || path === below)) {
      throw new ShoalError('NOT_FOUND', `${plan.name} has no "${text}"; \`shoal ls\` shows what it has`)
    }
  }
  return chosen.size === paths.length ? undefined : chosen
}

function usableName(name: string | undefined): string | undefined {
  const last = name?.split('/').at(-1)
  if (last === undefined || last.endsWith(PARTIAL_ENDING)) return undefined
  try {
    checkName(last)
    return last
  } catch {
    return undefined
  }
}

import { sep } from 'node:path'

/** Whether an absolute path lies below a folder; a folder is not inside itself. */
export function isInside(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

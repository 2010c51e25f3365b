/** Bytes `skip` … `skip + length` of what these parts are together, as views of them. */
export function viewsOf(parts: readonly Uint8Array[], skip: number, length: number): readonly Uint8Array[] {
  const views: Uint8Array[] = []
  let before = skip
  let left = length
  for (const part of parts) {
    if (left === 0) break
    if (before >= part.byteLength) {
      before -= part.byteLength
      continue
    }
    const view = before === 0 && part.byteLength <= left ? part : part.subarray(before, before + left)
    views.push(view)
    left -= view.byteLength
    before = 0
  }
  return views
}

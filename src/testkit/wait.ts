/**
 * Waits for a condition, not for a time: asks again and again until `check` gives a value that is not undefined, false
 * or null. The bound only ends a wait that can no longer succeed, so it is generous.
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false | null> | T | undefined | false | null,
  limitMs = 60_000
): Promise<T> {
  const deadline = Date.now() + limitMs
  let last: unknown
  for (;;) {
    try {
      const value = await check()
      if (value !== undefined && value !== false && value !== null) return value
      last = value
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs / 1000} s`, { cause: last })
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

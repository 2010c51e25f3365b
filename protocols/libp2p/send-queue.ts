import { Uint8ArrayList } from 'uint8arraylist'

/**
 * Bytes of one `send` of a long stream: four full noise records (65,519 bytes) less yamux's header of twelve, with what
 * records and headers leave over. A send of another size ends in a nearly empty record.
 */
export const BULK_SEND_BYTES = 262_028

/** What a small Uint8Array with a buffer of its own costs in V8, beside its bytes. */
const PART_COST_BYTES = 256

interface Draining {
  below: number
  resolve(): void
  reject(error: Error): void
}

/** What waits to be sent on a stream, and who waits for it to be less. */
export class SendQueue {
  #parts: Uint8Array[] = [] // BOUNDED by the writer through `byteLength` and `drained`
  #byteLength = 0
  readonly #draining: Draining[] = []

  get byteLength(): number {
    return this.#byteLength
  }

  /** Memory that these bytes hold: each part costs its own object, however small it is. */
  get cost(): number {
    return this.#byteLength + this.#parts.length * PART_COST_BYTES
  }

  append(part: Uint8Array): void {
    if (part.byteLength === 0) return
    this.#parts.push(part)
    this.#byteLength += part.byteLength
  }

  /** Takes up to BULK_SEND_BYTES from the front. */
  cut(): Uint8ArrayList {
    const send = new Uint8ArrayList()
    let room = BULK_SEND_BYTES
    let used = 0
    for (const part of this.#parts) {
      if (part.byteLength > room) {
        if (room > 0) {
          send.append(part.subarray(0, room))
          this.#parts[used] = part.subarray(room)
        }
        break
      }
      send.append(part)
      room -= part.byteLength
      used++
    }
    this.#parts.splice(0, used)
    this.#byteLength -= send.byteLength
    return send
  }

  /** Resolves when at most `below` bytes wait; rejects with what `drop` is given. */
  async drained(below: number): Promise<void> {
    if (this.#byteLength <= below) return
    await new Promise<void>((resolve, reject) => this.#draining.push({ below, resolve, reject }))
  }

  /** Wakes those who wait for so little as there is now. */
  settle(): void {
    for (let i = 0; i < this.#draining.length; i++) {
      const waiting = this.#draining[i] as Draining
      if (this.#byteLength > waiting.below) continue
      this.#draining.splice(i--, 1)
      waiting.resolve()
    }
  }

  /** Nothing will be sent any more. */
  drop(error: Error): void {
    this.#parts = []
    this.#byteLength = 0
    for (const { reject } of this.#draining.splice(0)) reject(error)
  }
}

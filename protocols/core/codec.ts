/** Bytes of a message, without its frame. One codec a protocol. */
export interface Codec<Message> {
  encode(message: Message): Uint8Array
  /** @throws DecodeError when the bytes are not exactly one message within the protocol's limits */
  decode(bytes: Uint8Array): Message
}

/** What a stranger sent cannot be read. The peer is penalised; the text names what was wrong, never the bytes. */
export class DecodeError extends Error {
  static override readonly name = 'DecodeError'
  override readonly name = 'DecodeError'
  readonly code = 'BAD_MESSAGE'
}

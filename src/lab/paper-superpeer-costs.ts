/**
 * What a message costs in the model of Yang and Garcia-Molina (ICDE 2003, tables 1 and 2). The paper's body could not be
 * read: all numbers here are recalled. Messages are those of Gnutella 0.4 with their TCP/IP and Ethernet headers.
 */

/** Bytes of the text of a query. */
export const QUERY_LENGTH = 12
/** Queries and updates a second of one user. */
export const QUERY_RATE = 9.26e-3
export const UPDATE_RATE = 1.85e-3

/** Bytes on the wire. A response names each peer that has results once. */
export const bytes = {
  query: (length = QUERY_LENGTH) => 82 + length,
  response: (messages: number, addresses: number, results: number) => 80 * messages + 28 * addresses + 76 * results,
  join: (files: number) => 80 + 72 * files,
  update: 152
}

/** Units of processing, of about 7,200 cycles each. All are linear, so that they hold for expected numbers too. */
export const units = {
  sendQuery: 0.44 + 0.003 * QUERY_LENGTH,
  receiveQuery: 0.57 + 0.004 * QUERY_LENGTH,
  processQuery: (queries: number, results: number) => 0.14 * queries + 1.1 * results,
  sendResponse: (messages: number, addresses: number, results: number) =>
    0.21 * messages + 0.31 * addresses + 0.2 * results,
  receiveResponse: (messages: number, addresses: number, results: number) =>
    0.26 * messages + 0.41 * addresses + 0.3 * results,
  sendJoin: (files: number) => 0.44 + 0.2 * files,
  receiveJoin: (files: number) => 0.56 + 0.3 * files,
  processJoin: (files: number) => 0.14 + 10.5 * files,
  sendUpdate: 0.6,
  receiveUpdate: 0.8,
  processUpdate: 30,
  /** For each message that is sent or received, for each open connection. */
  multiplex: 0.01
}

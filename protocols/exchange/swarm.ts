import type { FileId } from '../core/ids.ts'
import type { Input, Machine, Output } from '../core/machine.ts'
import type { Peer } from '../core/peer.ts'
import type { Rng } from '../core/rng.ts'
import { BLOCK_BYTES, type HashRange, type Layout } from '../metainfo/index.ts'
import { Account } from './account.ts'
import { defaultExchangeConfig, type ExchangeConfig } from './config.ts'
import { Downloads } from './downloads.ts'
import { believe, greeting, mayComeFirst, piecesOf } from './greeting.ts'
import type { Features } from './handshake.ts'
import type { Chunk, ExchangeMessage, ExtendedHandshake, PiecesMessage } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { PeerState } from './peer-state.ts'
import type { Stored } from './piece-picker.ts'
import type { PieceSet } from './piece-set.ts'
import type { DropReason, SwarmCommand, SwarmEvent, SwarmStats } from './swarm-events.ts'
import { Uploads } from './uploads.ts'

export interface SwarmInit extends Stored {
  layout: Layout
  rng: Rng
  /** See `Content.missingHashes`; must not change but between inputs. */
  missingHashes(piece: number): HashRange | undefined
  /** Pieces to fetch; all when absent. */
  wanted?: (piece: number) => boolean
  /** A wanted piece that is stored before any other is asked for. */
  first?: number
  config?: Partial<ExchangeConfig>
}

type SwarmOutput = Output<ExchangeMessage, SwarmEvent>

/**
 * One swarm on one node: fetches what is wanted from all peers at once and gives what is here, seed and leech alike.
 *
 * The bytes of pieces and hashes pass it by. The handler asks `expects` when a piece message comes, verifies its bytes,
 * and gives the verdict as a `block`; then it executes the `write` events of the answer with these bytes. A message that
 * was not expected is given as `received`, for the account. A peer is `peerUp` when handshakes have been exchanged, and
 * its handshake is the first message `received`.
 */
export class Swarm implements Machine<SwarmCommand, ExchangeMessage, SwarmEvent> {
  readonly #layout: Layout
  readonly #config: ExchangeConfig
  readonly #peers = new Map<Peer, PeerState>() // BOUNDED by maxPeers
  readonly #downloads: Downloads
  readonly #uploads: Uploads
  readonly #account = new Account()
  #out: SwarmOutput[] = []
  #now = 0
  #tickAt: number | undefined

  constructor(init: SwarmInit) {
    this.#layout = init.layout
    this.#config = { ...defaultExchangeConfig, ...init.config }
    const outbox: Outbox = {
      send: (to, message) => this.#send(to, message),
      event: event => this.#out.push({ type: 'event', event }),
      drop: (peer, why, reason) => this.#drop(peer, why, reason)
    }
    this.#downloads = new Downloads({ ...init, config: this.#config }, this.#peers, outbox)
    const have = this.#downloads.picker.done
    this.#uploads = new Uploads(
      { layout: init.layout, config: this.#config, rng: init.rng.fork(), have },
      this.#peers,
      outbox
    )
  }

  handle(input: Input<SwarmCommand, ExchangeMessage>, now: number): SwarmOutput[] {
    this.#now = now
    this.#apply(input)
    const out = this.#out
    this.#out = []
    return out
  }

  nextTick(): number | undefined {
    if (this.#peers.size === 0) return undefined
    const { nextWork } = this.#downloads
    return nextWork === undefined || this.#tickAt === undefined ? this.#tickAt : Math.min(nextWork, this.#tickAt)
  }

  /** Whether these bytes, if they came from the peer now, would be of use. */
  expects(from: Peer, chunk: Chunk): boolean {
    const peer = this.#peers.get(from)
    return peer !== undefined && this.#downloads.expects(peer, chunk)
  }

  /** The file whose hashes these are, if the peer was asked for them. */
  expectsHashes(from: Peer, root: FileId, range: HashRange): number | undefined {
    const peer = this.#peers.get(from)
    return peer && this.#downloads.expectsHashes(peer, root, range)?.file
  }

  get isFinished(): boolean {
    return this.#downloads.picker.isFinished
  }

  /** Every piece is here, wanted or not. */
  get isSeed(): boolean {
    return this.#downloads.picker.done.isFull
  }

  stats(now: number): SwarmStats {
    const { picker, isPaused } = this.#downloads
    return this.#account.stats({ peers: this.#peers.values(), picker, isPaused }, now)
  }

  #apply(input: Input<SwarmCommand, ExchangeMessage>): void {
    const now = this.#now
    switch (input.type) {
      case 'peerUp':
        this.#onPeerUp(input.peer)
        return
      case 'peerDown':
        this.#withPeer(input.peer, peer => this.#remove(peer))
        return
      case 'received':
        this.#withPeer(input.from, peer => this.#onMessage(peer, input.message))
        return
      case 'tick':
        this.#onTick()
        return
      case 'block':
        this.#withPeer(input.from, peer => {
          peer.lastHeardAt = now
          this.#downloads.onBlock(peer, input, input.verdict, now)
        })
        return
      case 'hashesAdded':
        this.#withPeer(input.from, peer => {
          peer.lastHeardAt = now
          this.#downloads.onHashesAdded(peer, input.root, input.range, input.verdict, now)
        })
        return
      case 'stored':
        this.#downloads.onStored(input, now)
        this.#dropRedundant()
        return
      case 'writeFailed':
        this.#downloads.onWriteFailed(input)
        return
      case 'uploaded':
        this.#withPeer(input.to, peer => this.#uploads.onUploaded(peer, input, input.sent, now))
        return
      case 'hashesServed':
        this.#withPeer(input.to, peer => this.#uploads.onHashesServed(peer))
        return
      case 'pause':
        this.#downloads.pause()
        return
      case 'resume':
        this.#downloads.resume(now)
        return
      default:
        unreachable(input)
    }
  }

  #onPeerUp(peer: Peer): void {
    if (this.#peers.has(peer)) return
    if (this.#peers.size >= this.#config.maxPeers) {
      this.#out.push({ type: 'event', event: { type: 'drop', peer, why: 'full', reason: 'the swarm is full' } })
      return
    }
    const blocksPerPiece = this.#layout.pieceLength / BLOCK_BYTES
    const init = { pieces: this.#layout.pieceCount, blocksPerPiece, config: this.#config, now: this.#now }
    this.#peers.set(peer, new PeerState(peer, init))
    this.#tickAt ??= this.#now + this.#config.tickMs
  }

  #onMessage(peer: PeerState, message: ExchangeMessage): void {
    const now = this.#now
    peer.lastHeardAt = now
    if (message.type === 'handshake') {
      this.#greet(peer, message.features)
      return
    }
    if (peer.features === undefined) {
      this.#drop(peer, 'violation', 'speaks before its handshake')
      return
    }
    if (message.type === 'bitfield' || message.type === 'haveAll' || message.type === 'haveNone') {
      this.#onPieces(peer, peer.features, message)
      return
    }
    if (!peer.toldPieces && !mayComeFirst(message)) this.#setPieces(peer, peer.pieces)
    switch (message.type) {
      case 'keepAlive':
      case 'suggest':
      case 'allowedFast':
      case 'unknown':
        this.#onIdleTalk(peer)
        return
      case 'extendedHandshake':
        if (this.#onIdleTalk(peer) && peer.features.extended) this.#onExtendedHandshake(peer, message)
        return
      case 'have':
        if (message.piece >= this.#layout.pieceCount) {
          this.#drop(peer, 'violation', `has piece ${message.piece}`)
          return
        }
        if (peer.pieces.has(message.piece)) {
          this.#onIdleTalk(peer)
          return
        }
        this.#downloads.onHave(peer, message.piece, now)
        this.#dropIfRedundant(peer)
        return
      case 'choke':
        if (this.#onIdleTalk(peer)) this.#downloads.onChoke(peer, now)
        return
      case 'unchoke':
        if (this.#onIdleTalk(peer)) this.#downloads.onUnchoke(peer, now)
        return
      case 'interested':
        if (this.#onIdleTalk(peer)) this.#uploads.onInterest(peer, true, now)
        return
      case 'notInterested':
        if (this.#onIdleTalk(peer)) this.#uploads.onInterest(peer, false, now)
        return
      case 'request':
        this.#uploads.onRequest(peer, message)
        return
      case 'cancel':
        if (!this.#uploads.onCancel(peer, message)) this.#onIdleTalk(peer)
        return
      case 'reject':
        this.#downloads.onReject(peer, message, now)
        return
      case 'piece':
        this.#downloads.onUnexpected(peer, message, now)
        return
      case 'hashRequest':
        this.#uploads.onHashRequest(peer, message.root, message.range)
        return
      case 'hashReject':
        this.#downloads.onHashReject(peer, message.root, message.range, now)
        return
      case 'hashes':
        this.#downloads.onUnaskedHashes(peer)
        return
      default:
        unreachable(message)
    }
  }

  /** A message that brings nothing. False when it was one too many, and the peer is dropped. */
  #onIdleTalk(peer: PeerState): boolean {
    if (peer.idleTalk.take(this.#now)) return true
    this.#drop(peer, 'violation', 'too many messages that bring nothing')
    return false
  }

  #greet(peer: PeerState, features: Features): void {
    if (peer.features !== undefined) {
      this.#drop(peer, 'violation', 'a second handshake')
      return
    }
    if (!features.v2) {
      this.#drop(peer, 'incompatible', 'does not speak BitTorrent v2')
      return
    }
    peer.features = features
    for (const message of greeting(features, this.#layout.length, this.#downloads.picker.done))
      this.#send(peer, message)
  }

  #onExtendedHandshake(peer: PeerState, said: ExtendedHandshake): void {
    believe(peer, said)
    const bytes = said.contentBytes
    if (bytes === undefined) return
    this.#out.push({ type: 'event', event: { type: 'sizeStated', peer: peer.peer, bytes } })
    if (bytes !== this.#layout.length) this.#drop(peer, 'otherSize', `it knows the content with ${bytes} bytes`)
  }

  #onPieces(peer: PeerState, features: Features, message: PiecesMessage): void {
    const pieces = peer.toldPieces ? 'tells its pieces too late' : piecesOf(message, features, this.#layout.pieceCount)
    if (typeof pieces === 'string') this.#drop(peer, 'violation', pieces)
    else this.#setPieces(peer, pieces)
  }

  #setPieces(peer: PeerState, pieces: PieceSet): void {
    peer.toldPieces = true
    peer.pieces = pieces
    this.#downloads.onPieces(peer, this.#now)
    this.#dropIfRedundant(peer)
  }

  #dropRedundant(): void {
    if (!this.isSeed) return
    for (const peer of [...this.#peers.values()]) this.#dropIfRedundant(peer)
  }

  /** Two seeds have nothing to say to each other. */
  #dropIfRedundant(peer: PeerState): void {
    if (this.isSeed && peer.toldPieces && peer.pieces.isFull) this.#drop(peer, 'redundant', 'both have everything')
  }

  #onTick(): void {
    const now = this.#now
    this.#downloads.work(now)
    if (this.#tickAt === undefined || now < this.#tickAt) return
    this.#tickAt = now + this.#config.tickMs
    for (const peer of [...this.#peers.values()]) {
      if (now - peer.lastHeardAt >= this.#config.idleMs) this.#drop(peer, 'silent', 'nothing was heard of it')
      else if (now - peer.lastSaidAt >= this.#config.keepAliveMs) this.#send(peer, { type: 'keepAlive' })
    }
    this.#downloads.tick(now)
    this.#uploads.tick(now)
  }

  #send(to: PeerState, message: ExchangeMessage): void {
    to.lastSaidAt = this.#now
    this.#out.push({ type: 'send', to: to.peer, message })
  }

  #drop(peer: PeerState, why: DropReason, reason: string): void {
    if (this.#peers.get(peer.peer) !== peer) return
    if (why === 'liar' || why === 'violation') this.#out.push({ type: 'penalise', peer: peer.peer, reason })
    this.#out.push({ type: 'event', event: { type: 'drop', peer: peer.peer, why, reason } })
    this.#remove(peer)
  }

  #remove(peer: PeerState): void {
    this.#peers.delete(peer.peer)
    this.#account.close(peer)
    this.#downloads.onGone(peer, this.#now)
    this.#uploads.onGone(this.#now)
    if (this.#peers.size === 0) this.#tickAt = undefined
  }

  #withPeer(key: Peer, act: (peer: PeerState) => void): void {
    const peer = this.#peers.get(key)
    if (peer !== undefined) act(peer)
  }
}

function unreachable(value: never): never {
  throw new Error(`unknown input ${JSON.stringify(value)}`)
}

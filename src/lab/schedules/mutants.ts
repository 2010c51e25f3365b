import type { Place, RingAction, RingState } from '../../../protocols/chord/ring.ts'
import type { Peer } from '../../../protocols/core/peer.ts'
import { correctedRules, type NodeInit, type NodeRules, type Rules } from './rules.ts'

/** The corrected rules with one of them broken: a search that finds no fault in these would say little. */
class Mutant implements NodeRules {
  protected readonly init: NodeInit
  protected inner: NodeRules

  constructor(init: NodeInit) {
    this.init = init
    this.inner = correctedRules.create(init)
  }

  get state(): RingState {
    return this.inner.state as RingState
  }

  get place(): Place {
    return this.inner.place
  }

  get isBusy(): boolean {
    return this.inner.isBusy
  }

  join(member: Peer): RingAction[] {
    return this.inner.join(member)
  }

  stabilize(): RingAction[] {
    return this.inner.stabilize()
  }

  onPlace(from: Peer, place: Place): RingAction[] {
    return this.inner.onPlace(from, place)
  }

  onBusy(from: Peer): void {
    this.inner.onBusy(from)
  }

  onFailed(peer: Peer): RingAction[] {
    return this.inner.onFailed(peer)
  }

  onPong(peer: Peer): RingAction[] {
    return this.inner.onPong(peer)
  }

  onNotify(from: Peer): RingAction[] {
    return this.inner.onNotify(from)
  }

  onLeaving(from: Peer, place: Place): RingAction[] {
    return this.inner.onLeaving(from, place)
  }

  protected become(change: Partial<RingState>): void {
    this.inner = correctedRules.create({ ...this.init, state: { ...this.state, ...change } })
  }

  protected listOf(...peers: Peer[]): Peer[] {
    return [...new Set(peers)].filter(peer => peer !== this.init.self).slice(0, this.init.length)
  }
}

const notify = (peer: Peer): RingAction => ({ type: 'notify', peer })

const MUTANTS: Record<string, new (init: NodeInit) => Mutant> = {
  'adopts-unproven': class extends Mutant {
    override onPlace(from: Peer, place: Place): RingAction[] {
      const actions = this.inner.onPlace(from, place)
      const { step, successors } = this.state
      if (step?.type !== 'closer') return actions
      this.become({ step: undefined, successors: this.listOf(step.peer, ...successors) })
      return [notify(step.peer)]
    }
  },
  'never-busy': class extends Mutant {
    override get isBusy(): boolean {
      return false
    }
  },
  'clears-predecessor': class extends Mutant {
    override onFailed(peer: Peer): RingAction[] {
      const actions = this.inner.onFailed(peer)
      if (this.state.isPredecessorLost) this.become({ predecessor: undefined, isPredecessorLost: false })
      return actions
    }
  },
  'believes-every-notify': class extends Mutant {
    override onNotify(from: Peer): RingAction[] {
      this.become({ predecessor: from })
      return []
    }
  },
  'ignores-pong': class extends Mutant {
    override onPong(): RingAction[] {
      const { claimant } = this.state
      if (claimant !== undefined) this.become({ predecessor: claimant, claimant: undefined })
      return []
    }
  },
  'joins-with-one': class extends Mutant {
    override onPlace(from: Peer, place: Place): RingAction[] {
      const isJoining = this.state.step?.type === 'join'
      const actions = this.inner.onPlace(from, place)
      if (isJoining) this.become({ successors: this.state.successors.slice(0, 1) })
      return actions
    }
  },
  'joins-anywhere': class extends Mutant {
    override onPlace(from: Peer, place: Place): RingAction[] {
      if (this.state.step?.type !== 'join') return this.inner.onPlace(from, place)
      this.become({ step: undefined, predecessor: from, successors: this.listOf(...place.successors, from) })
      return this.stabilize()
    }
  },
  'closes-short-lists': class extends Mutant {
    override onPlace(from: Peer, place: Place): RingAction[] {
      const isJoining = this.state.step?.type === 'join'
      const actions = this.inner.onPlace(from, place)
      if (isJoining) this.become({ successors: this.listOf(...this.state.successors, from) })
      return actions
    }
  },
  'keeps-old-entries': class extends Mutant {
    override onPlace(from: Peer, place: Place): RingAction[] {
      const { step, successors } = this.state
      const actions = this.inner.onPlace(from, place)
      if (step?.type === 'successor' || step?.type === 'closer') {
        this.become({ successors: this.listOf(from, ...successors) })
      }
      return actions
    }
  },
  'never-notifies': class extends Mutant {
    override onPlace(from: Peer, place: Place): RingAction[] {
      return this.inner.onPlace(from, place).filter(({ type }) => type !== 'notify')
    }
  },
  'keeps-the-dead': class extends Mutant {
    override onFailed(peer: Peer): RingAction[] {
      const { successors } = this.state
      const actions = this.inner.onFailed(peer)
      this.become({ successors })
      return actions.filter(({ type }) => type !== 'query')
    }
  },
  'waits-on-when-busy': class extends Mutant {
    override onBusy(): void {}
  },
  'gives-up-on-a-closer-that-failed': class extends Mutant {
    override onFailed(peer: Peer): RingAction[] {
      const isCloser = this.state.step?.type === 'closer'
      const actions = this.inner.onFailed(peer)
      return isCloser ? actions.filter(({ type }) => type !== 'notify') : actions
    }
  },
  'believes-who-leaves': class extends Mutant {
    override onLeaving(from: Peer, place: Place): RingAction[] {
      const actions = this.inner.onLeaving(from, place)
      if (place.successors.length > 0 && this.state.step === undefined)
        this.become({ successors: this.listOf(...place.successors) })
      return actions
    }
  }
}

export const mutants: readonly Rules[] = Object.entries(MUTANTS).map(([name, Class]) => ({
  name,
  create: init => new Class(init)
}))

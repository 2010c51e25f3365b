import type { Experiment } from '../experiment.ts'
import attack from './attack.ts'
import brokerPlacement from './broker-placement.ts'
import churn from './churn.ts'
import floodReach from './flood-reach.ts'
import flooding from './flooding.ts'
import graph from './graph.ts'
import healing from './healing.ts'
import ringChurn from './ring-churn.ts'
import ringFailures from './ring-failures.ts'
import ringLiars from './ring-liars.ts'
import ringLoad from './ring-load.ts'
import ringMerge from './ring-merge.ts'
import ringPath from './ring-path.ts'
import ringStorage from './ring-storage.ts'
import ringUpkeep from './ring-upkeep.ts'
import superpeerRules from './superpeer-rules.ts'
import superpeerSearch from './superpeer-search.ts'
import upkeep from './upkeep.ts'
import walks from './walks.ts'

/** In the order in which they are listed. */
export const experiments: readonly Experiment[] = [
  graph,
  healing,
  floodReach,
  flooding,
  walks,
  upkeep,
  churn,
  attack,
  ringPath,
  ringFailures,
  ringChurn,
  ringLoad,
  ringMerge,
  ringLiars,
  ringStorage,
  ringUpkeep,
  superpeerRules,
  superpeerSearch,
  brokerPlacement
]

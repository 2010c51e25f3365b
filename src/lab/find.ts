import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Experiment } from './experiment.ts'
import { experiments } from './experiments/index.ts'

/** What the lab was asked for cannot be: the message says what is. */
export class LabError extends Error {
  static override readonly name = 'LabError'
}

/**
 * An experiment by its name, or one of the user's own by the path of its module, which has it as its default export.
 * @throws LabError
 */
export async function findExperiment(nameOrPath: string): Promise<Experiment> {
  const known = experiments.find(({ name }) => name === nameOrPath)
  if (known !== undefined) return known
  if (!/\.[cm]?[jt]s$/.test(nameOrPath)) {
    throw new LabError(`there is no experiment "${nameOrPath}": ${experiments.map(({ name }) => name).join(', ')}`)
  }
  let module: { default?: Partial<Experiment> }
  try {
    module = await import(pathToFileURL(resolve(nameOrPath)).href)
  } catch (error) {
    throw new LabError(`cannot load ${nameOrPath}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
  if (typeof module.default?.run !== 'function') throw new LabError(`${nameOrPath} has no experiment as its default`)
  return module.default as Experiment
}

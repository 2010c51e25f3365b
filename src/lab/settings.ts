import type { Experiment, Settings } from './experiment.ts'
import { LabError } from './find.ts'

/**
 * An experiment's settings with some of them replaced. Lists are given with commas between their items.
 * @throws LabError on a name that it does not have, or a value that is none
 */
export function settingsWith(experiment: Experiment, changes: Readonly<Record<string, string>>): Settings {
  const settings: Settings = { ...experiment.settings }
  for (const [name, text] of Object.entries(changes)) {
    const usual = Object.hasOwn(settings, name) ? settings[name] : undefined
    if (usual === undefined) {
      throw new LabError(`${experiment.name} has no setting ${name}: ${Object.keys(settings).join(', ')}`)
    }
    if (typeof usual === 'number') settings[name] = numberOf(name, text)
    else if (typeof usual[0] === 'number') settings[name] = text.split(',').map(item => numberOf(name, item))
    else settings[name] = text.split(',').map(item => item.trim())
  }
  return settings
}

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number)) throw new LabError(`${name}: ${text} is no number`)
  return number
}

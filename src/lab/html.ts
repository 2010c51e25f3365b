import type { Experiment, Settings } from './experiment.ts'
import { plotSvg } from './plot.ts'
import type { Result } from './summary.ts'
import { tableRows, tableTitles } from './text.ts'

export interface Report {
  experiment: Experiment
  settings: Settings
  seeds: readonly number[]
  /** What was typed to get it. */
  command: string
  results: readonly Result[]
}

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.85rem }
th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid #ddd; text-align: left }
td.number, th.number { text-align: right; white-space: nowrap }
figure { display: inline-block; margin: 0 1rem 1rem 0 }
svg { max-width: 100%; height: auto }
code { background: #f3f3f3; padding: 0.1rem 0.3rem }
`

/** A page that needs nothing else: plots, table, and what was run. */
export function html({ experiment, settings, seeds, command, results }: Report): string {
  const { name, summary, plots = [] } = experiment
  const { rows, notes } = tableRows(experiment, results)
  const groups = Object.keys(experiment.by).length
  const titles = tableTitles(experiment).map((title, i) => element('th', title, i > groups && i < groups + 5))
  const lines = rows.map(({ group, value, ours, interval, figure, deviation, source }) =>
    [
      ...group.map(text => element('td', text)),
      element('td', value),
      ...[ours, interval, figure, deviation].map(text => element('td', text, true)),
      element('td', source)
    ].join('')
  )
  const setUp = Object.entries(settings).map(
    ([key, value]) => `${key} ${Array.isArray(value) ? value.join(', ') : value}`
  )
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<title>${escaped(`${name}: ${summary}`)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<h1>${escaped(name)}</h1>`,
    `<p>${escaped(summary)}</p>`,
    `<p>Set-up: ${escaped(setUp.join('; '))}. Seeds: ${escaped(seeds.join(', '))}.</p>`,
    `<p><code>${escaped(command)}</code></p>`,
    ...plots.map((plot, i) => `<figure>${plotSvg(experiment, plot, results, `plot${i}-`)}</figure>`),
    '<table>',
    `<thead><tr>${titles.join('')}</tr></thead>`,
    '<tbody>',
    ...lines.map(line => `<tr>${line}</tr>`),
    '</tbody>',
    '</table>',
    ...(notes.length === 0 ? [] : ['<ol>', ...notes.map(note => `<li>${escaped(note)}</li>`), '</ol>']),
    '</body>',
    '</html>',
    ''
  ].join('\n')
}

function element(tag: 'td' | 'th', text: string, isNumber = false): string {
  return `<${tag}${isNumber ? ' class="number"' : ''}>${escaped(text)}</${tag}>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

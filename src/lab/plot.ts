import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type { Experiment, Plot, Value } from './experiment.ts'
import { matches, type Result } from './summary.ts'
import { numberText } from './text.ts'

const WIDTH = 640
const HEIGHT = 380
const LEGEND_LINE = 26
/** What a character and the symbol beside a name take. */
const CHARACTER = 6.8
const SYMBOL = 56
/** The legend's name for figures that ours were compared with. */
const PUBLISHED = 'published'
/** Told apart with any colour vision (Okabe and Ito 2008), and on white. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

echarts.use([
  BarChart,
  CustomChart,
  LineChart,
  ScatterChart,
  GridComponent,
  LegendComponent,
  TitleComponent,
  SVGRenderer
])

interface Point {
  x: string | number
  mean: number
  /** The confidence interval, as far as the value can be. */
  low: number
  high: number
  published: readonly number[]
}

/**
 * One plot as SVG text: means over the seeds with their 95 % confidence intervals.
 * @param prefix of its ids, which must be unique on a page
 */
export function plotSvg(experiment: Experiment, plot: Plot, results: readonly Result[], prefix: string): string {
  const series = seriesOf(experiment, plot, results)
  const first = experiment.values[plot.y[0] as string] as Value
  const categories = isCategorical(plot, series)
    ? [...new Set(series.flatMap(({ points }) => points.map(({ x }) => String(x))))]
    : undefined
  const isBar = plot.kind === 'bar'
  const published = isBar ? [] : series.flatMap(({ points }) => points.filter(point => point.published.length > 0))
  const names = [...series.map(({ name }) => name), ...(published.length > 0 ? [PUBLISHED] : [])]
  const legend = names.length > 1 ? legendLines(names) * LEGEND_LINE : 0
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT + legend })
  chart.setOption({
    animation: false,
    color: COLOURS,
    title: { text: plot.title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0, left: 'center', width: WIDTH - SYMBOL, itemGap: 16, show: names.length > 1, data: names },
    grid: { left: 70, right: 24, top: 44, bottom: 52 + legend },
    xAxis: {
      name: experiment.by[plot.x],
      nameLocation: 'middle',
      nameGap: 28,
      ...(categories === undefined
        ? { type: plot.logX === true ? 'log' : 'value', scale: true, minInterval: areWhole(series) ? 1 : 0 }
        : { type: 'category', data: categories })
    },
    yAxis: {
      type: plot.logY === true ? 'log' : 'value',
      ...(plot.logY === true ? {} : { min: ({ min }: { min: number }) => Math.min(0, min) }),
      name: plot.y.length === 1 ? first.title : '',
      axisLabel: { formatter: (number: number) => axisText(number, first) }
    },
    series: [
      ...series.flatMap(({ name, points }, i) =>
        drawn(plot, { name, points, index: i, of: series.length, categories })
      ),
      ...(published.length > 0 ? [marks(published, categories)] : [])
    ]
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  // the library counts what it has drawn so far, and a page is to be the same whatever was drawn before
  const ids = new Map<string, string>()
  return svg.replaceAll(/\bzr\d+-(?:cls-|c)\d+/g, id => {
    if (!ids.has(id)) ids.set(id, `${prefix}${ids.size}`)
    return ids.get(id) as string
  })
}

function seriesOf(experiment: Experiment, plot: Plot, results: readonly Result[]): { name: string; points: Point[] }[] {
  const series = new Map<string, Point[]>()
  for (const { group, value, mean, halfWidth = 0, figures } of results) {
    const x = group[plot.x]
    if (!plot.y.includes(value) || x === undefined || !matches(group, plot.where ?? {})) continue
    const title = (experiment.values[value] as Value).title
    const part = plot.series === undefined ? undefined : group[plot.series]
    const partName =
      part === undefined ? undefined : typeof part === 'number' ? `${experiment.by[plot.series!]} ${part}` : part
    const name = partName === undefined ? title : plot.y.length > 1 ? `${title}, ${partName}` : partName
    const points = series.get(name) ?? []
    // what is not above 0 has no place on a logarithmic axis
    if (plot.logY !== true || mean > 0) {
      const interval = intervalOf(mean, halfWidth, experiment.values[value] as Value)
      const published = figures.filter(({ deviation }) => deviation !== undefined).map(({ figure }) => figure)
      points.push({ x, mean, ...interval, published })
    }
    series.set(name, points)
  }
  const inOrder = (a: Point, b: Point): number => (typeof a.x === 'string' ? 0 : a.x - Number(b.x))
  return [...series].map(([name, points]) => ({ name, points: points.sort(inOrder) }))
}

/** An interval does not go where its value cannot be. */
function intervalOf(mean: number, halfWidth: number, { as }: Value): { low: number; high: number } {
  const most = as === 'percent' && mean <= 1 ? 1 : Number.POSITIVE_INFINITY
  const least = mean >= 0 ? 0 : Number.NEGATIVE_INFINITY
  return { low: Math.max(least, mean - halfWidth), high: Math.min(most, mean + halfWidth) }
}

function areWhole(series: readonly { points: readonly Point[] }[]): boolean {
  return series.every(({ points }) => points.every(({ x }) => Number.isInteger(x)))
}

/** The library wraps the legend but makes no room for it. */
function legendLines(names: readonly string[]): number {
  let lines = 1
  let left = WIDTH - SYMBOL
  for (const name of names) {
    const width = name.length * CHARACTER + SYMBOL
    if (width > left) {
      lines++
      left = WIDTH - SYMBOL
    }
    left -= width
  }
  return lines
}

function isCategorical(plot: Plot, series: readonly { points: readonly Point[] }[]): boolean {
  return plot.kind === 'bar' || series.some(({ points }) => points.some(({ x }) => typeof x === 'string'))
}

interface Drawn {
  name: string
  points: readonly Point[]
  index: number
  of: number
  categories: readonly string[] | undefined
}

function placeOf({ x }: Point, categories: readonly string[] | undefined): number | string {
  return categories === undefined ? x : categories.indexOf(String(x))
}

function marks(points: readonly Point[], categories: readonly string[] | undefined): object {
  return {
    name: PUBLISHED,
    type: 'scatter',
    symbol: 'diamond',
    symbolSize: 12,
    itemStyle: { color: 'none', borderColor: '#000', borderWidth: 1.5 },
    data: points.flatMap(point => point.published.map(figure => [placeOf(point, categories), figure]))
  }
}

function drawn(plot: Plot, { name, points, index, of, categories }: Drawn): object[] {
  const place = (point: Point): number | string => placeOf(point, categories)
  const line = {
    name,
    type: plot.kind ?? 'line',
    data: points.map(point => [place(point), point.mean]),
    color: COLOURS[index % COLOURS.length],
    // the colours come round again
    lineStyle: { type: index < COLOURS.length ? 'solid' : 'dashed' },
    symbolSize: points.length > 50 ? 0 : 6
  }
  const least = plot.logY === true ? 0 : Number.NEGATIVE_INFINITY
  const whiskers = {
    type: 'custom',
    silent: true,
    clip: true,
    z: 3,
    data: points
      .filter(({ low, high }) => low < high && low > least)
      .map(point => [place(point), point.low, point.high]),
    renderItem: (_: unknown, api: WhiskerApi) => whisker(api, { index, of, isBar: plot.kind === 'bar' })
  }
  // lines through many points would drown in their intervals
  return points.length > 50 ? [line] : [line, whiskers]
}

interface WhiskerApi {
  value(dimension: number): number
  coord(point: [number, number]): [number, number]
  size(span: [number, number]): [number, number]
}

/** A bar of a group stands beside the others, so its whisker does. */
function whisker(api: WhiskerApi, { index, of, isBar }: { index: number; of: number; isBar: boolean }): object {
  const [x, low] = api.coord([api.value(0), api.value(1)])
  const [, high] = api.coord([api.value(0), api.value(2)])
  // what the library leaves between and beside the bars by default: a fifth of the band, 0.3 of a bar
  const bar = isBar ? (api.size([1, 0])[0] * 0.8) / (of + 0.3 * (of - 1)) : 0
  const at = x + (index - (of - 1) / 2) * bar * 1.3
  const stroke = { stroke: '#333', fill: 'none' }
  return {
    type: 'group',
    children: [
      [at, low, at, high],
      [at - 4, low, at + 4, low],
      [at - 4, high, at + 4, high]
    ].map(([x1, y1, x2, y2]) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style: stroke }))
  }
}

function axisText(number: number, value: Value): string {
  if (value.as === 'percent') return numberText(number, value).replace('.0 ', ' ')
  return String(Number(number.toPrecision(6)))
}

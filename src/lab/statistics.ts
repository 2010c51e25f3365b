/** 97.5 % quantiles of Student's t for 1, 2, 3 … degrees of freedom. */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042
]
const Z_975 = 1.959964

export interface Estimate {
  mean: number
  /** Half the width of the 95 % confidence interval; undefined for a single value. */
  halfWidth: number | undefined
  /** How many values it is of. */
  count: number
}

/** Mean and 95 % confidence interval of independent values, by Student's t. */
export function estimate(values: readonly number[]): Estimate {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  if (count < 2) return { mean, halfWidth: undefined, count }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, halfWidth: (studentT(count - 1) * Math.sqrt(squares / (count - 1))) / Math.sqrt(count), count }
}

/** The 97.5 % quantile; beyond the table by the first terms of its expansion (Abramowitz and Stegun 26.7.5). */
export function studentT(freedom: number): number {
  const known = T_975[freedom - 1]
  if (known !== undefined) return known
  const z = Z_975
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2)
}

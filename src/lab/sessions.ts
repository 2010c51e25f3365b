import type { Rng } from '../../protocols/core/rng.ts'

/** How long a peer stays, in the unit of the mean. */
export type SessionLength = (mean: number, rng: Rng) => number

/** Memoryless: departures are a Poisson process. */
export const exponential: SessionLength = (mean, rng) => -Math.log1p(-rng.unit()) * mean

/**
 * Weibull with shape 1/2, as measured sessions are about (Stutzbach and Rejaie, IMC 2006): most are short, and those that
 * have lasted will last. Its mean is twice its scale.
 */
export const heavyTailed: SessionLength = (mean, rng) => (mean / 2) * Math.log1p(-rng.unit()) ** 2

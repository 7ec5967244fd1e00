/** The load of the last two minutes, and the lines that draw it. */

export const WINDOW_S = 120
/** Reports further apart than this leave a hole in the line: nothing is known about the time between. */
export const HOLE_S = 10

export interface Sample {
  /** Seconds since 1970, by the server's clock. */
  time: number
  inFlight: number
  waiting: number
}

/** With the newest sample, without those that have left the window. An older or repeated time changes nothing. */
export function remember(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1)
  if (last && sample.time <= last.time) {
    const restarted = last.time - sample.time > WINDOW_S
    return restarted ? [sample] : samples
  }
  // One older sample stays, so that the line reaches the left edge.
  const first = samples.findLastIndex((old) => old.time <= sample.time - WINDOW_S)
  return [...samples.slice(Math.max(first, 0)), sample]
}

/** The top of the scale: the next of 4, 8, 10, 20, 40, 80, 100, 200 … so that it seldom jumps. */
export function topOf(samples: readonly Sample[]): number {
  const most = Math.max(...samples.map(({ inFlight, waiting }) => Math.max(inFlight, waiting)), 0)
  if (most <= 4) return 4
  const unit = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 4, 8, 10].map((step) => step * unit).find((top) => top >= most) ?? most
}

export interface Box {
  width: number
  height: number
  top: number
}

/**
 * SVG path data of one series as steps, since a count holds until the next report.
 * `now`: the time at the right edge. `closed`: down to the base line, for a fill.
 */
export function pathOf(
  samples: readonly Sample[],
  valueOf: (sample: Sample) => number,
  now: number,
  box: Box,
  closed = false,
): string {
  const x = (time: number) => round(Math.max(1 - (now - time) / WINDOW_S, 0) * box.width)
  const y = (sample: Sample) => round(box.height * (1 - valueOf(sample) / box.top))
  return pieces(samples)
    .map((piece) => {
      const [first, ...others] = piece as [Sample, ...Sample[]]
      const steps = others.map((sample) => `H${x(sample.time)}V${y(sample)}`).join('')
      const line = `M${x(first.time)} ${y(first)}${steps}`
      return closed ? `${line}V${box.height}H${x(first.time)}Z` : line
    })
    .join('')
}

function pieces(samples: readonly Sample[]): Sample[][] {
  const result: Sample[][] = []
  for (const sample of samples) {
    const piece = result.at(-1)
    const last = piece?.at(-1)
    if (piece && last && sample.time - last.time <= HOLE_S) piece.push(sample)
    else result.push([sample])
  }
  return result
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

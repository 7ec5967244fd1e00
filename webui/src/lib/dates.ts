/** Days as a person counts them: by the calendar of the place, not in units of 24 hours. */

export type Age = 'today' | 'yesterday' | 'week' | 'month' | 'earlier'

function midnight(now_ms: number, daysAgo: number): number {
  const day = new Date(now_ms)
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() - daysAgo).getTime()
}

/** `time_s`: seconds since 1970, as the server writes them; `now_ms`: as `Date.now()` says. */
export function ageOf(time_s: number, now_ms: number): Age {
  const time_ms = time_s * 1000
  if (time_ms >= midnight(now_ms, 0)) return 'today'
  if (time_ms >= midnight(now_ms, 1)) return 'yesterday'
  if (time_ms >= midnight(now_ms, 7)) return 'week'
  if (time_ms >= midnight(now_ms, 30)) return 'month'
  return 'earlier'
}

const STEPS: [limit_s: number, unit_s: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [7 * 86_400, 86_400, 'day'],
  [30 * 86_400, 7 * 86_400, 'week'],
  [365 * 86_400, 30 * 86_400, 'month'],
  [Infinity, 365 * 86_400, 'year'],
]

/** Such as "3 minutes ago" or "yesterday", in the reader's language. */
export function relativeTime(time_s: number, now_ms: number, locale: string): string {
  const difference_s = time_s - now_ms / 1000
  const size_s = Math.abs(difference_s)
  const [, unit_s, unit] = STEPS.find(([limit_s]) => size_s < limit_s) ?? STEPS[STEPS.length - 1]!
  // Clocks of two machines differ a little: what was written a moment from now was written now.
  const amount = Math.min(0, Math.trunc(difference_s / unit_s))
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(amount, unit)
}

/** Date and time in full, for a tooltip. */
export function fullTime(time_s: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(
    time_s * 1000,
  )
}

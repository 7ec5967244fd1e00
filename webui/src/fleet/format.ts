/** Figures as an operator reads them: few digits, a unit that fits, a dash for what is not known. */

export const NOTHING = '–'

/** 0.043 -> "43 ms", 1.27 -> "1.3 s", 75 -> "75 s". */
export function seconds(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined) return NOTHING
  if (value < 0.9995) return `${number(Math.round(value * 1000), locale)} ms`
  return `${number(value, locale, value < 9.95 ? 1 : 0)} s`
}

/** Two figures that share a unit where they can: "43 / 120 ms". */
export function pair(
  low: number | null | undefined,
  high: number | null | undefined,
  locale: string,
): string {
  const [first, second] = [seconds(low, locale), seconds(high, locale)]
  if (first === NOTHING && second === NOTHING) return NOTHING
  const [value, unit] = first.split(' ')
  return unit && second.endsWith(` ${unit}`) ? `${value} / ${second}` : `${first} / ${second}`
}

/** In binary units, as top and htop count: 536870912 -> "512 MB". */
export function bytes(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined) return NOTHING
  const mega = value / 2 ** 20
  if (mega < 1000) return `${number(mega, locale, mega < 9.95 ? 1 : 0)} MB`
  const giga = mega / 1024
  return `${number(giga, locale, giga < 99.5 ? 1 : 0)} GB`
}

export function count(value: number | null | undefined, locale: string): string {
  return value === null || value === undefined ? NOTHING : number(value, locale)
}

/** 3725 -> "1 h 2 min", 40000 -> "11 h": the second unit only while the first is a single digit. */
export function age(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined || value < 0) return NOTHING
  const names = locale.startsWith('zh') ? ['天', '小时', '分', '秒'] : ['d', 'h', 'min', 's']
  const whole = Math.floor(value)
  const parts = [86_400, 3600, 60, 1].map((unit, i) => {
    const above = [Infinity, 86_400, 3600, 60][i] ?? Infinity
    return { amount: Math.floor((whole % above) / unit), name: names[i] ?? '' }
  })
  const first = parts.findIndex(({ amount }) => amount > 0)
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2)
  const exact = (shown[0]?.amount ?? 0) < 10
  return shown
    .filter(({ amount }, i) => i === 0 || (exact && amount > 0))
    .map(({ amount, name }) => `${amount} ${name}`)
    .join(' ')
}

/** 3 of 1000 -> "0.3%"; something that happened is never shown as zero. */
export function share(part: number, whole: number, locale: string): string {
  if (whole <= 0) return NOTHING
  const percent = (part / whole) * 100
  if (part > 0 && percent < 0.1) return `<${number(0.1, locale, 1)}%`
  return `${number(percent, locale, percent < 9.95 ? 1 : 0)}%`
}

export function clock(time: number, locale: string): string {
  return new Date(time * 1000).toLocaleTimeString(locale, { hour12: false })
}

function number(value: number, locale: string, digits = 0): string {
  return value.toLocaleString(locale, { maximumFractionDigits: digits })
}

/** Numbers and times as the reader's language writes them. Pure. */

export function whole(value: number, locale: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }).format(value)
}

/** Two digits that matter: 0.42, 3.1, 87. */
export function brief(value: number, locale: string): string {
  const digits = value < 1 ? 2 : value < 10 ? 1 : 0
  return new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)
}

export function seconds(value_s: number, locale: string): string {
  const [value, unit] = value_s < 1 ? [value_s * 1000, 'millisecond'] : [value_s, 'second']
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: unit as string,
    unitDisplay: 'short',
    maximumFractionDigits: unit === 'second' && value_s < 10 ? 1 : 0,
  }).format(value as number)
}

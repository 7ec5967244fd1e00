import { describe, expect, it } from 'vitest'
import { ageOf, fullTime, relativeTime } from '@/lib/dates'

const at = (text: string): number => new Date(text).getTime()
const NOW = at('2026-03-10T00:30:00')
const age = (text: string): string => ageOf(at(text) / 1000, NOW)

describe('the age of a conversation', () => {
  it('goes by the calendar, not by hours', () => {
    expect(age('2026-03-10T00:00:00')).toBe('today')
    expect(age('2026-03-09T23:59:59')).toBe('yesterday')
    expect(age('2026-03-09T00:00:00')).toBe('yesterday')
    expect(age('2026-03-08T23:59:00')).toBe('week')
    expect(age('2026-03-03T00:00:00')).toBe('week')
    expect(age('2026-03-02T23:59:00')).toBe('month')
    expect(age('2026-02-08T00:00:00')).toBe('month')
    expect(age('2026-02-07T23:59:00')).toBe('earlier')
  })
  it('is today for a clock that is ahead', () => {
    expect(age('2026-03-11T12:00:00')).toBe('today')
  })
})

describe('a time in words', () => {
  const words = (ago_s: number, locale = 'en'): string => relativeTime(NOW / 1000 - ago_s, NOW, locale)
  it.each([
    [0, 'now'], [59, '59 seconds ago'], [60, '1 minute ago'], [3599, '59 minutes ago'], [7200, '2 hours ago'],
    [86_400, 'yesterday'], [7 * 86_400, 'last week'], [40 * 86_400, 'last month'], [800 * 86_400, '2 years ago'],
  ])('is right for %i s', (ago_s, said) => {
    expect(words(ago_s)).toBe(said)
  })
  it('is never in the future', () => {
    expect(words(-5)).toBe('now')
    expect(words(-90)).toBe('this minute')
  })
  it('is in the language of the reader', () => {
    expect(words(7200, 'zh')).toBe('2小时前')
    expect(fullTime(NOW / 1000, 'en')).toContain('Mar 10, 2026')
  })
})

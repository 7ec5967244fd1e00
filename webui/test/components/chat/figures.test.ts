import { describe, expect, it } from 'vitest'
import { brief, seconds, whole } from '@/components/chat/figures'

describe('figures', () => {
  it('keeps two digits that matter', () => {
    expect([brief(0.4217, 'en'), brief(3.14, 'en'), brief(87.4, 'en')]).toEqual(['0.42', '3.1', '87'])
  })

  it('says less than a second in milliseconds', () => {
    expect(seconds(0.42, 'en')).toBe('420 ms')
    expect(seconds(3.14, 'en')).toBe('3.1 sec')
  })

  it('separates thousands as the language does', () => {
    expect(whole(12345, 'en')).toBe('12,345')
  })
})

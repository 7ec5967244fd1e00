import { describe, expect, it } from 'vitest'
import { tokensPerSecond } from '@/lib/speed'

const usage = (completion_tokens: number) => ({ prompt_tokens: 1, completion_tokens, total_tokens: completion_tokens + 1 })

describe('the speed of an answer', () => {
  it('is its tokens over the time they took', () => {
    expect(tokensPerSecond(usage(40), 2)).toBe(20)
  })
  it.each([
    [null, 2], [usage(0), 2], [usage(1), 2], [usage(40), null], [usage(40), 0], [usage(40), 0.01],
  ])('is not guessed from %j in %j s', (used, duration_s) => {
    expect(tokensPerSecond(used, duration_s)).toBeUndefined()
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { whileVisible } from '@/lib/visible'

let hidden = false
let end: () => void = () => undefined

beforeEach(() => {
  hidden = false
  vi.useFakeTimers()
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden)
})
afterEach(() => {
  end()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('looking while the page is visible', () => {
  it('happens in time, and at once when the reader is back', async () => {
    const run = vi.fn(async () => undefined)
    end = whileVisible(1000, run)
    await vi.advanceTimersByTimeAsync(2000)
    expect(run).toHaveBeenCalledTimes(2)
    hidden = true
    await vi.advanceTimersByTimeAsync(5000)
    expect(run).toHaveBeenCalledTimes(2)
    hidden = false
    document.dispatchEvent(new Event('visibilitychange'))
    expect(run).toHaveBeenCalledTimes(3)
  })
  it('is not doubled by a look that takes long, and survives one that fails', async () => {
    let fail: (reason: Error) => void = () => undefined
    const run = vi.fn(() => new Promise((_, reject) => (fail = reject)))
    end = whileVisible(1000, run)
    await vi.advanceTimersByTimeAsync(3000)
    expect(run).toHaveBeenCalledTimes(1)
    fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(1000)
    expect(run).toHaveBeenCalledTimes(2)
  })
  it('ends for good', async () => {
    const run = vi.fn(async () => undefined)
    whileVisible(1000, run)()
    await vi.advanceTimersByTimeAsync(5000)
    for (const name of ['focus', 'online']) window.dispatchEvent(new Event(name))
    document.dispatchEvent(new Event('visibilitychange'))
    expect(run).not.toHaveBeenCalled()
  })
})

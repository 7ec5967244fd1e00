import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { backoff, sleep, sleepUntilOnline } from '@/stream/wait'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Whether `work` has ended by now. */
async function isOver(work: Promise<void>): Promise<boolean> {
  let over = false
  void work.then(() => (over = true))
  await vi.advanceTimersByTimeAsync(0)
  return over
}

describe('a pause', () => {
  it('grows from 0.25 s to 4 s', () => {
    expect([1, 2, 3, 4, 5, 6, 60].map(backoff)).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000])
  })
  it('ends in time', async () => {
    const pause = sleep(1000)
    await vi.advanceTimersByTimeAsync(999)
    expect(await isOver(pause)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await isOver(pause)).toBe(true)
  })
  it('ends at once when it is not needed any more, and leaves no timer', async () => {
    const abort = new AbortController()
    const pause = sleep(1000, abort.signal)
    abort.abort()
    expect(await isOver(pause)).toBe(true)
    expect(await isOver(sleep(1000, abort.signal))).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })
  it('is ended by the network only where it waits for that', async () => {
    const [deaf, hearing] = [sleep(1000), sleepUntilOnline(1000)]
    window.dispatchEvent(new Event('online'))
    expect([await isOver(deaf), await isOver(hearing)]).toEqual([false, true])
  })
})

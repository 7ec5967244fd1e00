import { describe, expect, it, vi } from 'vitest'
import { persistent } from '@/lib/persistent'

/** A pause that the test ends. */
function pauses() {
  const lengths: number[] = []
  let end: () => void = () => undefined
  const pause = (ms: number): Promise<void> => {
    lengths.push(ms)
    return new Promise((resolve) => (end = resolve))
  }
  return { lengths, pause, end: () => (end(), new Promise((resolve) => setTimeout(resolve))) }
}

describe('a part that is fetched', () => {
  it('is fetched at the first call and only once', async () => {
    const fetch = vi.fn(async () => 'part')
    const get = persistent(fetch)
    expect(fetch).not.toHaveBeenCalled()
    expect(await Promise.all([get(), get(), get()])).toEqual(['part', 'part', 'part'])
    expect(fetch).toHaveBeenCalledTimes(1)
  })
  it('is tried once between two pauses, however often it is asked for', async () => {
    const time = pauses()
    const fetch = vi.fn(async (): Promise<string> => Promise.reject(new TypeError('offline')))
    const get = persistent(fetch, time.pause)
    for (let round = 1; round <= 6; round++) {
      for (let call = 0; call < 40; call++) void get()
      await new Promise((resolve) => setTimeout(resolve))
      expect(fetch).toHaveBeenCalledTimes(round)
      await time.end()
    }
    expect(time.lengths.slice(0, 6)).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000])
  })
  it('reaches all who have asked once it is there', async () => {
    const time = pauses()
    let isOnline = false
    const get = persistent(async () => (isOnline ? 'part' : Promise.reject(new TypeError('offline'))), time.pause)
    const asked = [get(), get()]
    await new Promise((resolve) => setTimeout(resolve))
    isOnline = true
    await time.end()
    expect(await Promise.all([...asked, get()])).toEqual(['part', 'part', 'part'])
  })
})

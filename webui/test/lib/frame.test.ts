import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { perFrame } from '@/lib/frame'

let frames: Map<number, () => void>
const play = (): void => {
  const due = [...frames.values()]
  frames.clear()
  due.forEach((run) => run())
}

beforeEach(() => {
  vi.useFakeTimers()
  frames = new Map()
  let count = 0
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => (frames.set(++count, run), count))
  vi.stubGlobal('cancelAnimationFrame', (frame: number) => frames.delete(frame))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('drawing once a frame', () => {
  it('makes one call of many, and is ready for the next', () => {
    const draw = vi.fn()
    const frame = perFrame(draw)
    frame.ask()
    frame.ask()
    expect(draw).not.toHaveBeenCalled()
    play()
    vi.advanceTimersByTime(1000)
    expect(draw).toHaveBeenCalledTimes(1)
    frame.ask()
    play()
    expect(draw).toHaveBeenCalledTimes(2)
  })
  it('goes on slowly where there are no frames', () => {
    vi.spyOn(document, 'hidden', 'get').mockReturnValue(true)
    const draw = vi.fn()
    perFrame(draw, 300).ask()
    expect(frames.size).toBe(0)
    vi.advanceTimersByTime(300)
    expect(draw).toHaveBeenCalledTimes(1)
  })
  it('is not stuck when the page is hidden before its frame', () => {
    const draw = vi.fn()
    perFrame(draw, 300).ask()
    vi.advanceTimersByTime(300)
    play()
    expect(draw).toHaveBeenCalledTimes(1)
  })
  it('draws at once instead of later, and not at all once it is given up', () => {
    const draw = vi.fn()
    const frame = perFrame(draw)
    frame.ask()
    frame.now()
    play()
    vi.advanceTimersByTime(1000)
    expect(draw).toHaveBeenCalledTimes(1)
    frame.ask()
    frame.cancel()
    play()
    vi.advanceTimersByTime(1000)
    expect(draw).toHaveBeenCalledTimes(1)
  })
})

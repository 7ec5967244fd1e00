import { describe, expect, it, vi } from 'vitest'
import { loading } from '@/markdown/extras'

const highlight = (code: string): string => code
const typeset = (tex: string): string => tex
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

describe('the heavy parts', () => {
  it('are loaded each by itself, and the change can be seen', async () => {
    const loaders = { highlight: vi.fn(async () => highlight), typeset: vi.fn(async () => typeset) }
    const { extras, load } = loading(loaders)
    const before = extras.value
    await load('typeset')
    expect(extras.value).not.toBe(before)
    expect(extras.value).toEqual({ typeset })
    await Promise.all([load('highlight'), load('typeset')])
    expect(extras.value).toEqual({ highlight, typeset })
    expect(loaders.typeset).toHaveBeenCalledTimes(1)
  })
  it('are asked for once while the network is away, whatever is drawn, and come with it', async () => {
    let back: () => void = () => undefined
    let isOffline = true
    const loader = vi.fn(async () => (isOffline ? Promise.reject(new TypeError('offline')) : highlight))
    const pause = (): Promise<void> => new Promise((resolve) => (back = resolve))
    const { extras, load } = loading({ highlight: loader, typeset: async () => typeset }, pause)
    for (let frame = 0; frame < 150; frame++) {
      void load('highlight')
      await Promise.resolve()
    }
    expect(loader).toHaveBeenCalledTimes(1)
    isOffline = false
    back()
    await soon()
    expect(loader).toHaveBeenCalledTimes(2)
    expect(extras.value).toEqual({ highlight })
  })
})

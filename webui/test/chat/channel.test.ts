import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

/** Channels of one browser, which hear each other but not themselves. */
class FakeChannel extends EventTarget {
  static all: FakeChannel[] = []
  constructor(readonly name: string) {
    super()
    FakeChannel.all.push(this)
  }
  postMessage(data: unknown): void {
    const others = FakeChannel.all.filter((other) => other !== this && other.name === this.name)
    for (const other of others) other.dispatchEvent(new MessageEvent('message', { data }))
  }
}

/** The module as another tab has it. */
async function tab(): Promise<typeof import('@/chat/channel')> {
  vi.resetModules()
  return import('@/chat/channel')
}

beforeEach(() => {
  FakeChannel.all = []
  vi.stubGlobal('BroadcastChannel', FakeChannel)
})
afterEach(() => vi.unstubAllGlobals())

describe('word between tabs', () => {
  it('reaches the others and not oneself, until they listen no more', async () => {
    const [one, two] = [await tab(), await tab()]
    const heard: string[] = []
    one.hear((id) => heard.push(`one ${id}`))
    const end = two.hear((id) => heard.push(`two ${id}`))
    one.announce('a')
    two.announce('b')
    end()
    one.announce('c')
    expect(heard).toEqual(['two a', 'one b'])
    expect(FakeChannel.all.length).toBe(2)
  })
  it('is nothing but an id', async () => {
    const one = await tab()
    const heard = vi.fn()
    one.hear(heard)
    new FakeChannel('shortline.conversations').postMessage({ not: 'an id' })
    expect(heard).not.toHaveBeenCalled()
  })
  it('is not missed where a browser has no channels', async () => {
    vi.stubGlobal('BroadcastChannel', undefined)
    const one = await tab()
    expect(() => one.announce('a')).not.toThrow()
    expect(() => one.hear(() => undefined)()).not.toThrow()
  })
})

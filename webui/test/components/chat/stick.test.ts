import { effectScope, nextTick, ref, shallowRef, type EffectScope } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hasGrown, useStick, type Written } from '@/components/chat/stick'

const answer = (length: number, running = true, key = 'a'): Written => ({ key, length, running })
let resized: () => void
let scope: EffectScope

beforeEach(() => {
  vi.stubGlobal('ResizeObserver', class {
    constructor(look: () => void) {
      resized = look
    }
    observe(): void {}
    disconnect(): void {}
  })
})
afterEach(() => {
  scope.stop()
  vi.unstubAllGlobals()
})

async function start() {
  const box = document.createElement('div')
  const sizes = { scrollHeight: 2000, clientHeight: 500 }
  for (const name of ['scrollHeight', 'clientHeight'] as const) Object.defineProperty(box, name, { get: () => sizes[name] })
  const written = shallowRef<Written | null>(answer(10))
  scope = effectScope()
  const stick = scope.run(() => useStick(ref(box), ref(document.createElement('div')), () => written.value))!
  await nextTick()
  resized()
  const scrollTo = (top: number): void => {
    box.scrollTop = top
    box.dispatchEvent(new Event('scroll'))
  }
  scrollTo(1500)
  return { ...stick, box, sizes, written, scrollTo }
}

describe('a reader who has scrolled up', () => {
  it('is told of new text only when the running answer has more of it', async () => {
    const { unseen, sizes, written, scrollTo } = await start()
    scrollTo(200)
    sizes.scrollHeight = 2600
    resized()
    expect(unseen.value).toBe(false)
    written.value = answer(20)
    await nextTick()
    expect(unseen.value).toBe(true)
    scrollTo(2100)
    expect(unseen.value).toBe(false)
  })
})

describe('a reader at the end', () => {
  it('stays there and has nothing unseen', async () => {
    const { unseen, box, sizes, written } = await start()
    sizes.scrollHeight = 2600
    written.value = answer(20)
    resized()
    await nextTick()
    expect(box.scrollTop).toBeGreaterThanOrEqual(2100)
    expect(unseen.value).toBe(false)
  })
})

describe('an answer', () => {
  it.each([
    ['goes on', answer(11), answer(10), true],
    ['ends with its last words', answer(11, false), answer(10), true],
    ['was over already', answer(11, false), answer(10, false), false],
    ['is another one', answer(11, true, 'b'), answer(10), false],
    ['says nothing new', answer(10), answer(10), false],
    ['is the first', answer(10), null, false],
  ])('that %s', (_, now, before, grown) => expect(hasGrown(now, before)).toBe(grown))
})

import { effectScope, nextTick, shallowRef, type EffectScope } from 'vue'
import { afterEach, describe, expect, it } from 'vitest'
import { useSlices } from '@/components/chat/slices'

let scope: EffectScope | undefined
afterEach(() => scope?.stop())

function start(first: string[]) {
  const keys = shallowRef(first)
  const waiting: (() => void)[] = []
  scope = effectScope()
  const { isDrawn } = scope.run(() => useSlices(() => keys.value, () => new Promise((go) => waiting.push(go))))!
  const drawn = (): string => keys.value.filter(isDrawn).join('')
  /** Lets the page breathe until nothing more is asked for. */
  async function rest(): Promise<void> {
    for (let go = waiting.shift(); go; go = waiting.shift()) {
      go()
      for (let n = 0; n < 60; n++) await nextTick()
    }
  }
  return { keys, drawn, rest }
}

describe('a long conversation', () => {
  it('shows its last turns at once and the others when there is time', async () => {
    const { drawn, rest } = start([...'abcdefghij'])
    expect(drawn()).toBe('ghij')
    await rest()
    expect(drawn()).toBe('abcdefghij')
  })
  it('draws a question just asked at once, and keeps what was drawn', async () => {
    const { keys, drawn, rest } = start([...'abcdefgh'])
    await rest()
    keys.value = [...'abcdefghi']
    expect(drawn()).toBe('abcdefghi')
  })
  it('draws a page of older turns from its end', async () => {
    const { keys, drawn, rest } = start([...'xyz'])
    keys.value = [...'abcdefghxyz']
    expect(drawn()).toBe('efghxyz')
    await rest()
    expect(drawn()).toBe('abcdefghxyz')
  })
  it('draws nothing more once it is closed', async () => {
    const { drawn, rest } = start([...'abcdefghij'])
    scope?.stop()
    await rest()
    expect(drawn()).toBe('ghij')
  })
})

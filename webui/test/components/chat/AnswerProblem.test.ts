import { createApp, h, type App } from 'vue'
import { afterEach, describe, expect, it, vi } from 'vitest'
import AnswerProblem from '@/components/chat/AnswerProblem.vue'
import { i18n, setLanguage } from '@/i18n'

let app: App | undefined
const retry = vi.fn()

function mount(code: string, message: string): HTMLElement {
  const root = document.createElement('div')
  app = createApp(() => h(AnswerProblem, { title: 'There is no answer', problem: { code, message }, onRetry: retry }))
  app.use(i18n)
  app.mount(root)
  return root
}
afterEach(() => {
  app?.unmount()
  retry.mockClear()
})

describe('an answer that there is not', () => {
  it('says why in our words, then in those of the server, and its code', () => {
    setLanguage('en')
    const text = mount('overloaded', 'All workers are full; retry in 7 s.').textContent
    expect(text).toContain('All workers are busy.')
    expect(text).toContain('retry in 7 s.')
    expect(text).toContain('overloaded')
  })
  it('shows the words of the server where we have none', () => {
    expect(mount('too_many_streams', 'There are 2000 open streams.').textContent).toContain('2000 open streams')
  })
  it('can be asked again', () => {
    mount('overloaded', '').querySelector('button')!.click()
    expect(retry).toHaveBeenCalledTimes(1)
  })
})

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
  it('says why in our words, then in those of the server, and keeps its code for operators', () => {
    setLanguage('en')
    const root = mount('overloaded', 'All workers are full; retry in 7 s.')
    expect(root.textContent).toContain('The server is too busy right now.')
    expect(root.querySelector('[lang=en]')!.textContent).toBe('All workers are full; retry in 7 s.')
    expect(root.textContent).not.toContain('overloaded')
    expect(root.querySelector<HTMLElement>('[data-tip]')!.dataset.tip).toBe('Code: overloaded')
  })
  it('has words for a code that nobody knows, and the server’s below them', () => {
    setLanguage('zh')
    const text = mount('the_providers_own', 'Quota exceeded.').textContent
    expect(text).toContain('请求失败。')
    expect(text).toContain('Quota exceeded.')
  })
  it('says nothing in English to a Chinese reader where our words say it all', () => {
    setLanguage('zh')
    const root = mount('server_restarted', 'The server went down while this answer was being made.')
    expect(root.textContent).toContain('生成回答时服务器重新启动了。')
    expect(root.querySelector('[lang=en]')).toBeNull()
  })
  it('names the status of an answer without a code', () => {
    setLanguage('en')
    expect(mount('http_502', 'Bad Gateway').textContent).toContain('HTTP 502')
  })
  it('can be asked again', () => {
    mount('overloaded', '').querySelector('button')!.click()
    expect(retry).toHaveBeenCalledTimes(1)
  })
})

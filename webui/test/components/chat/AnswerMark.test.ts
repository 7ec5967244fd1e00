import { createApp, h, type App } from 'vue'
import { afterEach, describe, expect, it } from 'vitest'
import type { Problem } from '@/api/wire'
import { turnOf, type Turn } from '@/chat/turn'
import AnswerMark from '@/components/chat/AnswerMark.vue'
import { i18n, setLanguage } from '@/i18n'
import { noSettings } from '@/api/client'

let app: App | undefined

function interrupted(error: Problem): Turn {
  const ids = { id: 'm', conversation_id: 'c', parent_id: null, siblings: ['m'], versions: [['m']] }
  const words = { chat_type: 'chat', query: 'Hi', response: 'Hel', model: 'mini', settings: noSettings() }
  const end = { usage: null, finish_reason: null, left_out: null, first_token_s: null, duration_s: null }
  return turnOf({ ...ids, ...words, ...end, status: 'interrupted', error, create_time: 0 })
}

function mount(error: Problem): HTMLElement {
  const root = document.createElement('div')
  app = createApp(() => h(AnswerMark, { turn: interrupted(error) }))
  app.use(i18n)
  app.mount(root)
  return root
}
afterEach(() => app?.unmount())

describe('the mark of an interrupted answer', () => {
  it.each([
    ['server_restarted', '生成回答时服务器重新启动了。'],
    ['server_stopped', '生成回答时服务器停止了。'],
    ['abandoned', '长时间没有页面接收，回答已被终止。'],
    ['worker_lost', '正在回答的工作进程已断开。'],
  ])('says in Chinese why: %s', (code, words) => {
    setLanguage('zh')
    const text = mount({ code, message: 'An English sentence.' }).textContent
    expect(text).toContain(words)
    expect(text).not.toMatch(/[a-z]{3}/i)
  })
  it('keeps the code for operators', () => {
    const tip = mount({ code: 'worker_lost', message: '' }).querySelector<HTMLElement>('[data-tip]')!
    expect(tip.dataset.tip).toContain('worker_lost')
  })
})

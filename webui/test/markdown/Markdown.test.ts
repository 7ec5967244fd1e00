import { createApp, h, nextTick, reactive, type App } from 'vue'
import { afterEach, describe, expect, it, vi } from 'vitest'
import Markdown from '@/markdown/Markdown.vue'
import { englishLabels } from '@/markdown/labels'

const copied = vi.hoisted(() => [] as string[])
let isAllowed = true
vi.mock('@/lib/clipboard', () => ({ copyText: async (text: string) => (copied.push(text), isAllowed) }))
// The sanitiser does not work in happy-dom's trees; what it lets through is tried in a real browser.
vi.mock('@/markdown/clean', () => {
  const clean = (html: string): DocumentFragment => {
    const template = document.createElement('template')
    template.innerHTML = html
    return template.content
  }
  return { cleanAnswer: clean, cleanDiagram: clean }
})

let app: App | undefined
const events: boolean[] = []

function mount(text: string, streaming = false) {
  const props = reactive({ text, streaming, labels: englishLabels })
  const root = document.createElement('div')
  document.body.append(root)
  app = createApp(() => h(Markdown, { ...props, onCopied: (ok: boolean) => events.push(ok) }))
  app.mount(root)
  return { props, root }
}
const drawn = async (): Promise<void> => {
  await nextTick()
  await new Promise((resolve) => setTimeout(resolve, 40))
  await nextTick()
}
afterEach(() => {
  app?.unmount()
  document.body.innerHTML = ''
  events.length = copied.length = 0
  isAllowed = true
})

describe('an answer on the page', () => {
  it('is there at once', () => {
    expect(mount('# Title\n\nText.').root.querySelector('h1')?.textContent).toBe('Title')
  })
  it('grows without a change to what stands above', async () => {
    const { props, root } = mount('First.\n\nSec', true)
    const first = root.querySelector('p')
    for (const text of ['First.\n\nSecond', 'First.\n\nSecond **pa', 'First.\n\nSecond **part** is.']) {
      props.text = text
      await drawn()
    }
    expect(root.querySelector('p')).toBe(first)
    expect(root.querySelector('.md')!.textContent).toBe('First.\nSecond part is.\n')
    expect(root.querySelector('.md-streaming')).not.toBeNull()
    props.streaming = false
    await drawn()
    expect(root.querySelector('p')).toBe(first)
    expect(root.querySelector('.md-streaming')).toBeNull()
  })
  it('is coloured as soon as the colours are there', async () => {
    const { root } = mount('```js\nlet a = 1\n```')
    expect(root.textContent).toContain('let a = 1')
    await vi.waitFor(() => expect(root.querySelector('.hljs-keyword')?.textContent).toBe('let'), 5000)
  })
  it('gives its code to the clipboard, and shows that it did', async () => {
    const { root } = mount('```\none\ntwo\n```')
    const button = root.querySelector<HTMLElement>('[data-copy]')!
    button.click()
    await drawn()
    expect([copied, events]).toEqual([['one\ntwo'], [true]])
    expect(button.getAttribute('aria-label')).toBe(englishLabels.copied)
  })
  it('says when the browser does not allow copying', async () => {
    isAllowed = false
    const { root } = mount('```\none\n```')
    const button = root.querySelector<HTMLElement>('[data-copy]')!
    button.click()
    await drawn()
    expect(events).toEqual([false])
    expect(button.getAttribute('aria-label')).toBe(englishLabels.copy)
  })
  it('draws nothing more once it is gone', async () => {
    const { props, root } = mount('one', true)
    props.text = 'one two'
    await nextTick()
    app?.unmount()
    app = undefined
    await drawn()
    expect(root.textContent).toBe('')
  })
})

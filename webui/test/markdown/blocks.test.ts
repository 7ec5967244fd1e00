import { describe, expect, it } from 'vitest'
import { Blocks } from '@/markdown/blocks'
import { random } from '../stream/helpers'
import { CORPUS } from './corpus'
import { look, page, pageOf } from './helpers'

const everything = Object.values(CORPUS).join('\n\n')
const whole = (text: string): string[] => new Blocks().update(text, look(false)).map((block) => block.dirtyHtml)

describe('a text that grows', () => {
  it.each(Object.entries(CORPUS))('letter by letter looks in the end as in one piece: %s', (_name, text) => {
    const model = new Blocks()
    for (let at = 1; at <= text.length; at++) model.update(text.slice(0, at), look(true))
    expect(model.update(text, look(false)).map((block) => block.dirtyHtml)).toEqual(whole(text))
  })

  it('in random pieces looks in the end as in one piece', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const next = random(seed)
      const model = new Blocks()
      for (let at = 0; at < everything.length; at += 1 + Math.floor(next() * 120)) {
        model.update(everything.slice(0, at), look(true))
      }
      expect(model.update(everything, look(false)).map((block) => block.dirtyHtml)).toEqual(whole(everything))
    }
  })

  const settled = ['prose', 'chinese', 'lists', 'tasks', 'table', 'fences', 'math', 'callouts', 'mermaid', 'html', 'emoji']
  it.each(settled)('does not jump at its end: %s', (name) => {
    const text = CORPUS[name]!
    const model = new Blocks()
    for (let at = 1; at <= text.length; at++) model.update(text.slice(0, at), look(true))
    const before = pageOf(model.update(text, look(true))).textContent
    expect(before).toBe(page(text).textContent)
  })

  it('renders each block once, but for the last that is being written', () => {
    const model = new Blocks()
    const paragraphs = Array.from({ length: 200 }, (_, at) => `Paragraph number ${at}.`)
    let text = ''
    let updates = 0
    for (const paragraph of paragraphs) {
      for (const word of `${paragraph}\n\n`.split(/(?<= )/)) {
        text += word
        model.update(text, look(true))
        updates++
      }
    }
    expect(model.rendered).toBeLessThanOrEqual(updates)
  })

  it('gives the same objects for blocks that are finished', () => {
    const model = new Blocks()
    const before = [...model.update('one\n\ntwo\n\nthree', look(true))]
    const after = model.update('one\n\ntwo\n\nthree and more', look(true))
    expect(after[0]).toBe(before[0])
    expect(after[1]).toBe(before[1])
    expect(after[2]).not.toBe(before[2])
    const final = model.update('one\n\ntwo\n\nthree and more', look(false))
    expect(final.map((block, at) => block === after[at])).toEqual([true, true, true])
  })

  it('closes open marks only in the block that is being written', () => {
    const model = new Blocks()
    expect(pageOf(model.update('a **bold', look(true))).innerHTML).toContain('<strong>bold</strong>')
    expect(pageOf(model.update('```\na **bold', look(true))).textContent).not.toContain('**bold**')
  })

  it('asks for the heavy parts only when there is something for them', () => {
    const model = new Blocks()
    model.update('plain `code`', look(true, {}))
    expect([...model.wants]).toEqual([])
    model.update('plain `code`\n\n```js\nlet a\n```\n\n$x$', look(true, {}))
    expect([...model.wants].sort()).toEqual(['highlight', 'typeset'])
  })
})

describe('a page', () => {
  it('shows formulas in all four kinds of marks, and prices as text', () => {
    const root = page(CORPUS.math!)
    expect(root.querySelectorAll('.md-math').length).toBe(7)
    expect(root.textContent).toContain('prices $5 and $10, 100$ too')
    expect(root.querySelector('annotation')).toBeNull()
  })
  it('bolds Chinese text whose marks touch punctuation', () => {
    expect([...page(CORPUS.chinese!).querySelectorAll('strong')].map((node) => node.textContent)).toEqual([
      '“重点”', '加粗（括号）',
    ])
  })
  it('links only to the web and to mail, in a new tab', () => {
    const links = [...page(CORPUS.links!).querySelectorAll('a')]
    expect(links.every((link) => link.target === '_blank')).toBe(true)
    expect(links.map((link) => link.getAttribute('href'))).not.toContain('/local')
    expect(links.map((link) => link.getAttribute('href'))).toContain('https://late.example')
  })
  it('ends a bare address before Chinese punctuation', () => {
    expect(page(CORPUS.chinese!).querySelector('a')?.getAttribute('href')).toBe('https://example.com')
  })
  it('offers a picture as a link with its text and host, and loads none', () => {
    const root = page('![Chart](https://i.example/p.png)')
    expect(root.querySelector('img')).toBeNull()
    expect(root.querySelector('a.md-image')?.textContent).toBe('Charti.example')
  })
  it('shows tasks, callouts and tables', () => {
    expect(page(CORPUS.tasks!).querySelectorAll('.md-box').length).toBe(3)
    expect(page(CORPUS.callouts!).querySelectorAll('.md-callout').length).toBe(2)
    expect(page(CORPUS.table!).querySelector('.md-table > table')).not.toBeNull()
  })
  it('shows raw HTML as the text it is', () => {
    expect(page(CORPUS.html!).textContent).toContain('<script>alert(1)</script>')
  })
  it('names the language of code and colours it', () => {
    const root = page(CORPUS.fences!)
    expect([...root.querySelectorAll('.md-code')].map((node) => node.getAttribute('data-language'))).toEqual(['md', '', 'python', ''])
    expect(root.querySelector('.hljs-keyword')?.textContent).toBe('def')
  })
})

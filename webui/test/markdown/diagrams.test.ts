import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { drawDiagrams, type Draw } from '@/markdown/diagrams'
import { page } from './helpers'

// The sanitiser does not work in happy-dom's trees; what it lets through is tried in a real browser.
vi.mock('@/markdown/clean', () => ({
  cleanDiagram: (svg: string) => {
    const template = document.createElement('template')
    template.innerHTML = svg
    return template.content
  },
}))

let count = 0
/** Sources of their own: what was drawn once is not drawn again. */
const source = (): string => `graph TD\n  A${++count} --> B`
const fence = (text: string): string => '```mermaid\n' + text + '\n```\n'
const drawn = (root: ParentNode): (string | undefined)[] =>
  [...root.querySelectorAll<SVGElement>('.md-diagram svg')].map((svg) => svg.getAttribute('class') ?? undefined)

function shown(...sources: string[]): HTMLElement {
  const root = page(sources.map(fence).join('\n'))
  document.body.append(root)
  return root
}
const draw = vi.fn<Draw>(async (_source, theme) => `<svg class="${theme}"></svg>`)

beforeEach(() => draw.mockClear())
afterEach(() => void (document.body.innerHTML = ''))

describe('diagrams', () => {
  it('are drawn once in each theme, and kept for a page that comes back', async () => {
    const text = source()
    const root = shown(text)
    await drawDiagrams(root, 'light', draw)
    await drawDiagrams(root, 'light', draw)
    expect(drawn(root)).toEqual(['light'])
    await drawDiagrams(root, 'dark', draw)
    expect(drawn(root)).toEqual(['dark'])
    const again = shown(text)
    await drawDiagrams(again, 'dark', draw)
    expect(drawn(again)).toEqual(['dark'])
    expect(draw.mock.calls.map(([, theme]) => theme)).toEqual(['light', 'dark'])
  })
  it('are drawn one after the other', async () => {
    let busy = 0
    let most = 0
    const slow: Draw = async () => {
      most = Math.max(most, ++busy)
      await new Promise((resolve) => setTimeout(resolve, 2))
      busy--
      return '<svg></svg>'
    }
    const [one, two] = [shown(source(), source()), shown(source())]
    await Promise.all([drawDiagrams(one, 'light', slow), drawDiagrams(two, 'light', slow)])
    expect([most, drawn(one).length, drawn(two).length]).toEqual([1, 2, 1])
  })
  it('that wait for the same drawing are drawn once', async () => {
    const text = source()
    const [one, two] = [shown(text), shown(text)]
    await Promise.all([drawDiagrams(one, 'light', draw), drawDiagrams(two, 'light', draw)])
    expect([draw.mock.calls.length, drawn(one), drawn(two)]).toEqual([1, ['light'], ['light']])
  })
  it('that cannot be read leave their source, and do not hold up the next', async () => {
    const bad = source()
    const root = shown(bad, source())
    const picky: Draw = async (text, theme) => (text.includes(bad) ? Promise.reject(new Error('bad')) : draw(text, theme))
    await drawDiagrams(root, 'light', picky)
    expect(drawn(root)).toEqual(['light'])
    expect(root.querySelector('.md-code')!.textContent).toContain(bad)
    expect([...root.querySelectorAll('.md-code')].map((box) => box.hasAttribute('data-own-failed'))).toEqual([true, false])
  })
  it('do not appear where the text has changed or gone meanwhile', async () => {
    const [changed, gone] = [shown(source()), shown(source())]
    const slow: Draw = async () => {
      changed.querySelector('code')!.textContent = 'other'
      gone.remove()
      return '<svg></svg>'
    }
    await drawDiagrams(changed, 'light', slow)
    await drawDiagrams(gone, 'light', slow)
    expect([drawn(changed), drawn(gone)]).toEqual([[], []])
  })
  it('are those of mermaid, and not of empty code', async () => {
    await drawDiagrams(page('```js\nlet a\n```\n\n```mermaid\n\n```\n'), 'light', draw)
    expect(draw).not.toHaveBeenCalled()
  })
})

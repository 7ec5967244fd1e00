import { describe, expect, it } from 'vitest'
import { morph } from '@/markdown/morph'
import { Blocks } from '@/markdown/blocks'
import { CORPUS } from './corpus'
import { look, pageOf } from './helpers'

function box(html: string): HTMLElement {
  const root = document.createElement('div')
  root.innerHTML = html
  return root
}
function morphed(from: string, to: string): HTMLElement {
  const root = box(from)
  morph(root, box(to))
  return root
}

describe('bringing a page to what it should be', () => {
  it.each([
    ['', '<p>a</p>'], ['<p>a</p>', ''], ['<p>a</p>', '<p>a b</p>'], ['<p>a</p>', '<ul><li>a</li></ul>'],
    ['a<b>c</b>', '<b>c</b>a'], ['<p>1</p><p>2</p><p>3</p>', '<p>1</p>'], ['<a href="x">y</a>', '<a title="t">y</a>'],
    ['<p>a<code>b</code></p>', '<p>a<code>bc</code> d</p>'], ['<!--x-->', '<!--y-->'],
  ])('works from %j to %j', (from, to) => {
    expect(morphed(from, to).innerHTML).toBe(to)
  })
  it('keeps the nodes that stay, and adds to their text', () => {
    const root = box('<p>one <b>two</b> thr</p>')
    const [p, b, text] = [root.firstChild!, root.querySelector('b')!, root.firstChild!.lastChild!]
    morph(root, box('<p>one <b>two</b> three</p><p>four</p>'))
    expect(root.firstChild).toBe(p)
    expect(root.querySelector('b')).toBe(b)
    expect(p.lastChild).toBe(text)
    expect(root.textContent).toBe('one two threefour')
  })
  it('leaves alone what the page has noted on an element', () => {
    const root = box('<button data-own-copied="" class="a">x</button>')
    morph(root, box('<button class="b">x</button>'))
    expect(root.innerHTML).toBe('<button data-own-copied="" class="b">x</button>')
  })
  it.each(Object.entries(CORPUS))('ends where a page drawn at once ends: %s', (_name, text) => {
    const root = document.createElement('div')
    for (let at = 7; at < text.length; at += 7) {
      morph(root, pageOf(new Blocks().update(text.slice(0, at), look(true, {}))))
    }
    const whole = pageOf(new Blocks().update(text, look(false, {})))
    const wanted = whole.innerHTML
    morph(root, whole)
    expect(root.innerHTML).toBe(wanted)
  })
})

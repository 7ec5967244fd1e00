import { Blocks } from '@/markdown/blocks'
import type { Extras } from '@/markdown/extras'
import { highlight } from '@/markdown/highlight'
import { englishLabels } from '@/markdown/labels'
import { typeset } from '@/markdown/typeset'

export const all: Extras = { highlight, typeset }

export function look(streaming: boolean, extras: Extras = all) {
  return { labels: englishLabels, extras, streaming }
}

/** Text that came in one piece, as it reaches the page. */
export function page(text: string, extras: Extras = all): HTMLElement {
  return pageOf(new Blocks().update(text, look(false, extras)))
}

/**
 * Without the sanitiser, for two reasons: what the rules make has to be harmless by itself, and
 * DOMPurify 3.4 stops after the first element of happy-dom's trees, so here it would prove nothing.
 */
export function pageOf(blocks: { dirtyHtml: string }[]): HTMLElement {
  const root = document.createElement('div')
  for (const block of blocks) {
    const box = document.createElement('div')
    box.innerHTML = block.dirtyHtml
    root.append(box)
  }
  return root
}

/** What breaks the promise that an answer cannot act, load or leave; empty if nothing does. */
export function dangers(root: ParentNode): string[] {
  const found: string[] = []
  for (const element of root.querySelectorAll('*')) {
    if (/^(script|style|iframe|object|embed|form|input|img|image|link|meta|base|video|audio|use|foreignobject)$/i.test(element.localName)) {
      found.push(element.localName)
    }
    for (const { name, value } of [...element.attributes]) {
      if (/^on/i.test(name)) found.push(`${name}=${value}`)
      if (/^(src|srcset|xlink:href|action|formaction|poster|background|data)$/i.test(name)) found.push(`${name}=${value}`)
      if (name === 'href' && !/^(https?:\/\/|mailto:)/i.test(value)) found.push(`href=${value}`)
      if (name === 'href' && element.getAttribute('rel') !== 'noopener noreferrer nofollow') found.push('rel')
      if (name === 'style' && /url\(|expression|@import/i.test(value)) found.push(`style=${value}`)
    }
  }
  return found
}

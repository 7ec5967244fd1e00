/** The last gate before the page: what passes here cannot act, load or leave. */

import DOMPurify, { type Config, type DOMPurify as Purifier } from 'dompurify'

/** Anything but a scheme, or one of ours: the form that DOMPurify asks of all attributes. */
const ADDRESSES = /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i
const LINK = /^(?:https?:\/\/|mailto:)/i

const LOADING = ['src', 'srcset', 'poster', 'background', 'action', 'formaction', 'ping', 'xlink:href']

const ANSWER: Config = {
  USE_PROFILES: { html: true, mathMl: true, svg: true },
  ADD_ATTR: ['target'],
  FORBID_TAGS: [
    'style', 'form', 'input', 'textarea', 'select', 'option', 'img', 'image', 'picture', 'source',
    'audio', 'video', 'track', 'map', 'area', 'use', 'dialog', 'template', 'marquee',
  ],
  FORBID_ATTR: [...LOADING, 'id', 'name', 'popovertarget', 'contenteditable', 'autofocus'],
  ALLOWED_URI_REGEXP: ADDRESSES,
  RETURN_DOM_FRAGMENT: true,
}

const DIAGRAM: Config = {
  USE_PROFILES: { svg: true, svgFilters: true },
  FORBID_TAGS: ['a', 'image', 'use', 'foreignObject', 'script', 'animate', 'set'],
  FORBID_ATTR: [...LOADING, 'href'],
  ALLOWED_URI_REGEXP: ADDRESSES,
  RETURN_DOM_FRAGMENT: true,
}

let shared: { answers: Purifier; diagrams: Purifier } | undefined

/**
 * Instances of our own: hooks on the library's shared one would reach others. Each has its rules
 * set once, since rules given with a call are read anew for it, which takes longer than the work.
 */
function purifiers(): { answers: Purifier; diagrams: Purifier } {
  if (!shared) {
    shared = { answers: DOMPurify(window), diagrams: DOMPurify(window) }
    shared.answers.setConfig(ANSWER)
    shared.diagrams.setConfig(DIAGRAM)
    shared.answers.addHook('afterSanitizeAttributes', closeWays)
    shared.diagrams.addHook('uponSanitizeElement', (node) => {
      if (node.nodeName.toLowerCase() === 'style') node.textContent = quiet(node.textContent ?? '')
    })
    shared.diagrams.addHook('afterSanitizeAttributes', quietStyle)
  }
  return shared
}

function closeWays(element: Element): void {
  quietStyle(element)
  const href = element.getAttribute('href')
  if (href === null) return
  if (element.nodeName !== 'A' || !LINK.test(href)) {
    element.removeAttribute('href')
    return
  }
  element.setAttribute('target', '_blank')
  element.setAttribute('rel', 'noopener noreferrer nofollow')
}

function quietStyle(element: Element): void {
  const style = element.getAttribute('style')
  if (style && quiet(style) !== style) element.removeAttribute('style')
}

/** Style sheets can load too. References inside the picture, `url(#…)`, are left. */
function quiet(css: string): string {
  return css.replace(/@import[^;]*;?/gi, '').replace(/url\(\s*(?!["']?#)[^)]*\)/gi, 'none')
}

export function cleanAnswer(html: string): DocumentFragment {
  return purifiers().answers.sanitize(html) as unknown as DocumentFragment
}

export function cleanDiagram(svg: string): DocumentFragment {
  return purifiers().diagrams.sanitize(svg) as unknown as DocumentFragment
}

/** Links leave the page in a new tab; pictures are shown as a link too, and never loaded. */

import type { MarkdownIt, RendererRule, Token } from 'markdown-it'
import { sheetOf } from '@/markdown/env'
import { escapeHtml, icon } from '@/markdown/html'

const SAFE = /^(?:https?:\/\/|mailto:)/i

export function isSafeLink(url: string): boolean {
  return SAFE.test(url.trim())
}

export function useLinks(md: MarkdownIt): void {
  md.validateLink = isSafeLink
  // Without this every file name with a fitting ending, such as main.py, becomes a web address.
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false })
  md.core.ruler.push('pictures', ({ tokens }) => tokens.forEach(markLinked))
  md.renderer.rules.link_open = openLink
  md.renderer.rules.image = picture
}

const ATTRIBUTES = 'target="_blank" rel="noopener noreferrer nofollow"'

const openLink: RendererRule = (tokens, at) => {
  const token = tokens[at]!
  const title = token.attrGet('title')
  const named = title ? ` title="${escapeHtml(title)}"` : ''
  return `<a href="${escapeHtml(token.attrGet('href') ?? '')}"${named} ${ATTRIBUTES}>`
}

/** A link cannot stand inside another: a picture there is only a word. */
function markLinked(token: Token): void {
  let depth = 0
  for (const child of token.children ?? []) {
    if (child.type === 'link_open') depth++
    if (child.type === 'link_close') depth--
    if (child.type === 'image') child.meta = { isLinked: depth > 0 }
  }
}

const FRAME = icon(
  '<rect x="3" y="3" width="18" height="18" rx="2"/><circle cx="9" cy="9" r="2"/><path d="m21 15-4-4L6 21"/>',
)

const picture: RendererRule = (tokens, at, options, env, renderer) => {
  const token = tokens[at]!
  const url = String(token.attrGet('src') ?? '')
  const alt = renderer.renderInlineAsText(token.children ?? [], options, env).trim()
  const name = `<span>${escapeHtml(alt || sheetOf(env).labels.image)}</span>`
  if (token.meta?.isLinked || !/^https?:/i.test(url)) {
    return `<span class="md-image">${FRAME}${name}</span>`
  }
  const host = `<span class="md-image-host">${escapeHtml(hostOf(url))}</span>`
  return `<a class="md-image" href="${escapeHtml(url)}" ${ATTRIBUTES}>${FRAME}${name}${host}</a>`
}

function hostOf(url: string): string {
  try {
    return new URL(url).host
  } catch {
    return ''
  }
}

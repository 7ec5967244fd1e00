/**
 * Links leave the page in a new tab. Pictures of other sites are a link too, and never loaded;
 * one that stands in the text itself is shown when the reader asks for it.
 */

import type { MarkdownIt, RendererRule, Token } from 'markdown-it'
import { sheetOf } from '@/markdown/env'
import { escapeHtml, icon } from '@/markdown/html'

const SAFE = /^(?:https?:\/\/|mailto:)/i

export function isSafeLink(url: string): boolean {
  return SAFE.test(url.trim())
}

/** A picture that is all in its address. SVG is left out: it is a document, and can act. */
export function isOwnPicture(url: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/]+={0,2}$/i.test(url)
}

export function useLinks(md: MarkdownIt): void {
  md.validateLink = (url) => isSafeLink(url) || isOwnPicture(url)
  // Without this every file name with a fitting ending, such as main.py, becomes a web address.
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false })
  md.core.ruler.push('pictures', ({ tokens }) => {
    tokens.forEach(markLinked)
    tokens.forEach(shorten)
  })
  md.renderer.rules.link_open = openLink
  md.renderer.rules.image = picture
}

const ATTRIBUTES = 'target="_blank" rel="noopener noreferrer nofollow"'

const openLink: RendererRule = (tokens, at) => {
  const token = tokens[at]!
  if (!isSafeLink(String(token.attrGet('href') ?? ''))) return '<a>'
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

const BASE64 = /(data:[\w.+-]+\/[\w.+-]+;base64,)[A-Za-z0-9+/=]{40,}/g

/** Pages of letters that nobody can read: of a picture that is not finished, or not allowed. */
function shorten(token: Token): void {
  for (const child of token.children ?? []) {
    if (child.type === 'text' && child.content.includes(';base64,')) {
      child.content = child.content.replace(BASE64, '$1…')
    }
  }
}

const FRAME = icon(
  '<rect x="3" y="3" width="18" height="18" rx="2"/><circle cx="9" cy="9" r="2"/><path d="m21 15-4-4L6 21"/>',
)

const picture: RendererRule = (tokens, at, options, env, renderer) => {
  const token = tokens[at]!
  const url = String(token.attrGet('src') ?? '')
  const alt = renderer.renderInlineAsText(token.children ?? [], options, env).trim()
  const { labels } = sheetOf(env)
  const name = `<span>${escapeHtml(alt || labels.image)}</span>`
  if (!token.meta?.isLinked && isOwnPicture(url)) {
    const show = escapeHtml(labels.imageShow)
    return (
      `<span class="md-picture"><button type="button" class="md-image" data-picture="${escapeHtml(url)}" ` +
      `title="${show}">${FRAME}${name}</button></span>`
    )
  }
  if (token.meta?.isLinked || !/^https?:/i.test(url)) {
    return `<span class="md-image">${FRAME}${name}</span>`
  }
  const host = hostOf(url)
  const opens = escapeHtml(labels.imageOpens.replace('{host}', () => host))
  const place = `<span class="md-image-host">${escapeHtml(host)}</span>`
  return `<a class="md-image" href="${escapeHtml(url)}" title="${opens}" ${ATTRIBUTES}>${FRAME}${name}${place}</a>`
}

function hostOf(url: string): string {
  try {
    return new URL(url).host
  } catch {
    return ''
  }
}

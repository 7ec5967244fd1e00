/** Code blocks: a bar with the language and a copy button, then the code in its colours. */

import type { MarkdownIt, RendererRule } from 'markdown-it'
import { sheetOf, type Sheet } from '@/markdown/env'
import { escapeHtml, icon } from '@/markdown/html'

/** Code longer than this is not coloured anew for every few letters that come. */
const LONG = 8000
const REGROWN = 1.1

export function useCode(md: MarkdownIt): void {
  md.renderer.rules.fence = (tokens, at, _options, env) => {
    const { info, content } = tokens[at]!
    return view(content, languageOf(md.utils.unescapeAll(info)), sheetOf(env))
  }
  const indented: RendererRule = (tokens, at, _options, env) =>
    view(tokens[at]!.content, '', sheetOf(env))
  md.renderer.rules.code_block = indented
}

function languageOf(info: string): string {
  return (info.trim().split(/[\s{,:]/)[0] ?? '').toLowerCase().slice(0, 40)
}

const COPY = icon(
  '<rect width="14" height="14" x="8" y="8" rx="2"/><path d="M4 16a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2h10a2 2 0 0 1 2 2"/>',
)
const TICK = icon('<path d="M20 6 9 17l-5-5"/>')

function view(code: string, language: string, sheet: Sheet): string {
  const { labels } = sheet
  const copy = escapeHtml(labels.copy)
  // Shown by the style sheet when the drawing has failed.
  const unreadable =
    language === 'mermaid' ? `<p class="md-diagram-failed" dir="auto">${escapeHtml(labels.diagramFailed)}</p>` : ''
  return (
    `<div class="md-code" dir="ltr" data-language="${escapeHtml(language)}"><div class="md-code-bar">` +
    `<span>${escapeHtml(language || labels.code)}</span>` +
    `<button type="button" class="md-copy" data-copy="" aria-label="${copy}" title="${copy}">${COPY}${TICK}</button>` +
    `</div><pre tabindex="0"><code>${coloured(code, language, sheet)}</code></pre>${unreadable}</div>\n`
  )
}

function coloured(code: string, language: string, sheet: Sheet): string {
  if (!language || language === 'mermaid') return escapeHtml(code)
  const { highlight } = sheet.extras
  if (!highlight) {
    sheet.wants.add('highlight')
    return escapeHtml(code)
  }
  if (!sheet.streaming || code.length < LONG) return highlight(code, language) ?? escapeHtml(code)
  const last = sheet.growing
  if (last && code.startsWith(last.code) && code.length < last.code.length * REGROWN) {
    return last.html + escapeHtml(code.slice(last.code.length))
  }
  const html = highlight(code, language) ?? escapeHtml(code)
  sheet.growing = { code, html }
  return html
}

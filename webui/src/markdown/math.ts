/** Formulas in `$ $`, `$$ $$`, `\( \)` and `\[ \]`. */

import type { MarkdownIt, RendererRule, StateBlock, StateInline } from 'markdown-it'
import { sheetOf } from '@/markdown/env'
import { escapeHtml } from '@/markdown/html'

interface Pair {
  open: string
  close: string
  display: boolean
}

const PAIRS: Pair[] = [
  { open: '\\(', close: '\\)', display: false },
  { open: '\\[', close: '\\]', display: true },
  { open: '$$', close: '$$', display: true },
  { open: '$', close: '$', display: false },
]

export function useMath(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math', inline)
  md.block.ruler.before('fence', 'math', block, { alt: ['paragraph', 'reference', 'blockquote', 'list'] })
  md.renderer.rules.math = render
  md.renderer.rules.math_block = render
}

function inline(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state
  const pair = PAIRS.find(({ open }) => src.startsWith(open, pos))
  if (!pair) return false
  const from = pos + pair.open.length
  const end = closing(src, from, posMax, pair)
  const isOpen = end < 0
  if (isOpen && (pair.open === '$' || !sheetOf(state.env).streaming)) return false
  const tex = src.slice(from, isOpen ? posMax : end)
  if (!tex.trim() || (pair.open === '$' && !isFormula(tex))) return false
  if (!silent) {
    const token = state.push('math', 'span', 0)
    token.content = tex
    token.meta = { display: pair.display, isOpen }
  }
  state.pos = isOpen ? posMax : end + pair.close.length
  return true
}

function closing(src: string, from: number, max: number, pair: Pair): number {
  for (let at = src.indexOf(pair.close, from); at >= 0 && at < max; ) {
    if (pair.open !== '$') return at
    // A dollar ends a formula like a closing bracket: against its last sign, and not before a price.
    const isEscaped = src[at - 1] === '\\'
    if (!isEscaped && !/\s/.test(src[at - 1] ?? ' ') && !/\d/.test(src[at + 1] ?? '')) return at
    at = src.indexOf(pair.close, at + 1)
  }
  return -1
}

/** Whether what stands between two single dollars is meant as a formula, and not as prices. */
function isFormula(tex: string): boolean {
  if (/^\s/.test(tex)) return false
  const startsAsPrice = /^\d/.test(tex)
  return !(startsAsPrice && /[\s\u3000-\u9fff\uff00-\uffef]/.test(tex) && !/[\\^_={}+*/<>]/.test(tex))
}

interface Found {
  tex: string
  next: number
  isOpen: boolean
}

function block(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  if ((state.sCount[start] ?? 0) - state.blkIndent >= 4) return false
  const first = lineOf(state, start)
  const pair = PAIRS.find((one) => one.display && first.startsWith(one.open))
  const found = pair && read(state, start, end, pair)
  if (!found) return false
  if (silent) return true
  const token = state.push('math_block', 'div', 0)
  token.block = true
  token.content = found.tex
  token.meta = { display: true, isOpen: found.isOpen }
  token.map = [start, found.next]
  state.line = found.next
  return true
}

function read(state: StateBlock, start: number, end: number, pair: Pair): Found | null {
  const lines: string[] = []
  for (let line = start; line < end; line++) {
    const text = line === start ? lineOf(state, line).slice(pair.open.length) : lineOf(state, line)
    const isOutside = (state.sCount[line] ?? 0) < state.blkIndent
    if (line > start && (isOutside || !text.trim())) return null
    const at = text.indexOf(pair.close)
    if (at >= 0) return closed([...lines, text.slice(0, at)], text.slice(at + 2), line + 1)
    lines.push(text)
  }
  if (!sheetOf(state.env).streaming) return null
  return { tex: lines.join('\n'), next: end, isOpen: true }
}

/** A sentence may end behind its formula; any other text makes this a formula inside a paragraph. */
function closed(lines: string[], rest: string, next: number): Found | null {
  const tail = rest.trim()
  const tex = lines.join('\n')
  if (!tex.trim() || !/^[.,;:!?。，；：！？、]?$/.test(tail)) return null
  return { tex: tail ? `${tex}\\text{${tail}}` : tex, next, isOpen: false }
}

function lineOf(state: StateBlock, line: number): string {
  return state.src.slice(
    (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0),
    state.eMarks[line] ?? state.src.length,
  )
}

const render: RendererRule = (tokens, at, _options, env) => {
  const { content, meta, block: isBlock } = tokens[at]!
  const { extras, wants } = sheetOf(env)
  const display = Boolean(meta?.display)
  const tag = isBlock ? 'div' : 'span'
  const kind = display ? 'md-math md-math-display' : 'md-math'
  if (!extras.typeset) wants.add('typeset')
  if (!extras.typeset || meta?.isOpen) {
    return `<${tag} class="${kind} md-math-source">${escapeHtml(content.trim())}</${tag}>`
  }
  return `<${tag} class="${kind}">${extras.typeset(content.trim(), display)}</${tag}>`
}

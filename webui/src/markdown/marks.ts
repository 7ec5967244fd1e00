/** Task lists (`- [x]`), callouts (`> [!NOTE]`) and wide tables. */

import type { MarkdownIt, RendererRule, StateCore, Token } from 'markdown-it'
import { sheetOf } from '@/markdown/env'
import { escapeHtml } from '@/markdown/html'
import type { Labels } from '@/markdown/labels'

const TASK = /^\[([ xX])\](?:\s+|$)/
const CALLOUT = /^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*$/i

export function useMarks(md: MarkdownIt): void {
  md.core.ruler.push('marks', mark)
  md.renderer.rules.task = task
  md.renderer.rules.callout = callout
  // It scrolls sideways, so the keyboard must be able to reach it.
  md.renderer.rules.table_open = () => '<div class="md-table" tabindex="0"><table>\n'
  md.renderer.rules.table_close = () => '</table></div>\n'
}

function mark(state: StateCore): void {
  state.tokens.forEach((token, at) => {
    const container = state.tokens[at - 2]
    const first = token.type === 'inline' ? token.children?.[0] : undefined
    if (!container || !first || first.type !== 'text') return
    if (container.type === 'list_item_open') markTask(state, token, container, first)
    if (container.type === 'blockquote_open') markCallout(state, token, container, first)
  })
}

function markTask(state: StateCore, line: Token, item: Token, first: Token): void {
  const found = TASK.exec(first.content)
  if (!found) return
  first.content = first.content.slice(found[0].length)
  item.attrJoin('class', 'md-task')
  const box = new state.Token('task', 'span', 0)
  box.meta = { isDone: found[1] !== ' ' }
  line.children?.unshift(box)
}

function markCallout(state: StateCore, line: Token, quote: Token, first: Token): void {
  const kind = CALLOUT.exec(first.content)?.[1]?.toLowerCase()
  if (!kind) return
  quote.attrJoin('class', `md-callout md-callout-${kind}`)
  const title = new state.Token('callout', 'span', 0)
  title.meta = { kind }
  const isBreak = line.children?.[1]?.type === 'softbreak'
  line.children?.splice(0, isBreak ? 2 : 1, title)
}

const task: RendererRule = (tokens, at, _options, env) => {
  const isDone = Boolean(tokens[at]?.meta?.isDone)
  const { taskDone, taskOpen } = sheetOf(env).labels
  const label = escapeHtml(isDone ? taskDone : taskOpen)
  return `<span class="md-box" role="img" aria-label="${label}">${isDone ? '✓' : ''}</span>`
}

const callout: RendererRule = (tokens, at, _options, env) => {
  const kind = String(tokens[at]?.meta?.kind) as keyof Labels
  return `<span class="md-callout-title">${escapeHtml(sheetOf(env).labels[kind])}</span>`
}

/**
 * A growing text as a list of blocks, of which only the last changes.
 *
 * What is above the last two blocks cannot change any more and is not parsed again. At the end the
 * whole is parsed once, so that what was defined late (link references) holds everywhere and the
 * result is that of a text that came in one piece.
 */

import type { Env, Token } from 'markdown-it'
import remend from 'remend'
import { envOf, type Sheet } from '@/markdown/env'
import type { ExtraName, Extras } from '@/markdown/extras'
import type { Labels } from '@/markdown/labels'
import { markdown } from '@/markdown/parser'

export interface Block {
  key: number
  /** Has to go through `cleanAnswer` before it reaches a page. */
  dirtyHtml: string
}

export interface Look {
  labels: Labels
  extras: Extras
  streaming: boolean
}

interface Part {
  source: string
  tokens: Token[]
}

/** Blocks at the end that later text may still join: a list, and what stands below it. */
const UNSETTLED = 2
const UNFINISHED = ['fence', 'code_block', 'math_block']

export class Blocks {
  /** Blocks rendered so far, for tests of how little that is. */
  rendered = 0
  readonly wants = new Set<ExtraName>()
  private text = ''
  private look: Look | undefined
  private blocks: Block[] = []
  private sources: string[] = []
  private settled = { blocks: 0, length: 0, references: {} as object }
  private sheet: Sheet | undefined

  /** The same objects come back for blocks that look as before. */
  update(raw: string, look: Look): Block[] {
    const text = raw.replace(/\r\n?/g, '\n')
    if (!this.goesOn(text, look)) this.startAgain(look)
    this.text = text
    const sheet = (this.sheet ??= { ...look, wants: this.wants })
    const first = this.settled.blocks
    const tail = text.slice(this.settled.length)
    const { parts, env } = this.parse(tail, sheet)
    const next = parts.map((part, at) => this.block(first + at, part, env))
    this.blocks = [...this.blocks.slice(0, first), ...next]
    this.sources = [...this.sources.slice(0, first), ...parts.map((part) => part.source)]
    if (look.streaming) this.settle(tail, parts, sheet)
    return this.blocks
  }

  private goesOn(text: string, look: Look): boolean {
    const last = this.look
    return (
      last !== undefined &&
      last.streaming &&
      look.streaming &&
      last.labels === look.labels &&
      last.extras === look.extras &&
      text.startsWith(this.text)
    )
  }

  /** Blocks are kept for comparison: what comes out the same stays the same object. */
  private startAgain(look: Look): void {
    this.look = look
    this.sheet = undefined
    this.sources = []
    this.settled = { blocks: 0, length: 0, references: {} }
  }

  private parse(tail: string, sheet: Sheet): { parts: Part[]; env: Env } {
    const references = { ...this.settled.references }
    const env = envOf(sheet, references)
    const parts = split(tail, markdown.parse(tail, env))
    const last = parts[parts.length - 1]
    if (!sheet.streaming || !last || UNFINISHED.includes(last.tokens[0]?.type ?? '')) {
      return { parts, env }
    }
    // Only the block that is being written is completed, so that a star above does not count.
    const whole = completed(last.source)
    if (whole !== last.source) {
      const again = split(whole, markdown.parse(whole, envOf(sheet, references)))
      parts.splice(-1, 1, ...again)
    }
    return { parts, env }
  }

  private block(key: number, part: Part, env: Env): Block {
    const before = this.blocks[key]
    const isFinal = !this.look?.streaming
    if (before && !isFinal && this.sources[key] === part.source) return before
    this.rendered++
    const dirtyHtml = markdown.renderer.render(part.tokens, markdown.options, env)
    return before && before.dirtyHtml === dirtyHtml ? before : { key, dirtyHtml }
  }

  private settle(tail: string, parts: Part[], sheet: Sheet): void {
    const count = parts.length - UNSETTLED
    if (count <= 0) return
    const line = parts[count]?.tokens[0]?.map?.[0]
    if (!line) return
    const length = lengthOfLines(tail, line)
    const done = tail.slice(0, length)
    if (done.includes(']:')) markdown.parse(done, envOf(sheet, this.settled.references))
    this.settled = {
      blocks: this.settled.blocks + count,
      length: this.settled.length + length,
      references: this.settled.references,
    }
  }
}

/** Tokens of each top-level block, with the lines they come from. */
function split(text: string, tokens: Token[]): Part[] {
  const groups: Token[][] = []
  let depth = 0
  for (const token of tokens) {
    if (depth === 0) groups.push([])
    groups[groups.length - 1]!.push(token)
    depth += token.nesting
  }
  const lines = text.split('\n')
  return groups.map((group) => {
    const [from, to] = group[0]?.map ?? [0, 0]
    return { source: lines.slice(from, to).join('\n'), tokens: group }
  })
}

function lengthOfLines(text: string, count: number): number {
  let at = 0
  for (let line = 0; line < count; line++) at = text.indexOf('\n', at) + 1
  return at
}

/** The source with its open marks closed, so that the page does not show stars that will go. */
function completed(source: string): string {
  return remend(source, {
    linkMode: 'text-only',
    // Formulas have rules of their own here, HTML is text, and what a list says is not ours to change.
    katex: false,
    inlineKatex: false,
    htmlTags: false,
    comparisonOperators: false,
    singleTilde: false,
  })
}

/**
 * Emphasis beside Chinese, Japanese and Korean text.
 *
 * CommonMark decides by spaces and punctuation whether `**` opens or closes. Text without spaces
 * loses by that: in `**“词”**后` the closing marks follow punctuation and precede a letter, so they
 * would stay as they are. Here punctuation counts only where no such letter is the other neighbour,
 * and full-width punctuation does not count as punctuation at all.
 */

import type { MarkdownIt, StateInline } from 'markdown-it'

const WIDE = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{20000}-\u{3ffff}]/u

export function useCjkEmphasis(md: MarkdownIt): void {
  const { State } = md.inline
  class CjkState extends State {
    override scanDelims(start: number, canSplitWord: boolean): ReturnType<StateInline['scanDelims']> {
      const plain = super.scanDelims(start, canSplitWord)
      if (!canSplitWord) return plain // underscores stay inside words, in every script
      const before = lastOf(this.src.slice(Math.max(0, start - 2), start))
      const at = start + plain.length
      const after = at < this.posMax ? firstOf(this.src.slice(at, at + 2)) : ''
      if (!WIDE.test(before) && !WIDE.test(after)) return plain
      return {
        can_open: plain.can_open || isText(after),
        can_close: plain.can_close || isText(before),
        length: plain.length,
      }
    }
  }
  md.inline.State = CjkState
}

const isText = (sign: string): boolean => sign !== '' && !/\s/.test(sign)
const firstOf = (text: string): string => [...text][0] ?? ''
const lastOf = (text: string): string => [...text].at(-1) ?? ''

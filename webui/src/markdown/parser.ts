/** Markdown as this page understands it. Raw HTML is text like any other. */

import MarkdownIt, { type MarkdownIt as Parser } from 'markdown-it'
import { useCjkEmphasis } from '@/markdown/cjk'
import { useCode } from '@/markdown/code'
import { useLinks } from '@/markdown/links'
import { useMarks } from '@/markdown/marks'
import { useMath } from '@/markdown/math'

function create(): Parser {
  const md = new MarkdownIt({ html: false, linkify: true, breaks: false, maxNesting: 40 })
  useCjkEmphasis(md)
  useMath(md)
  useLinks(md)
  useMarks(md)
  useCode(md)
  return md
}

export const markdown = create()

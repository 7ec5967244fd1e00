/** Formulas; a chunk of its own, with fonts from our own origin. */

import katex from 'katex'
import 'katex/dist/katex.min.css'
import type { Typeset } from '@/markdown/extras'

/** For programs only, and the sanitiser would turn it into visible text. */
const SOURCE = /<annotation encoding="application\/x-tex">[^<]*<\/annotation>/g

export const typeset: Typeset = (tex, display) =>
  katex
    .renderToString(tex, {
      displayMode: display,
      throwOnError: false,
      strict: 'ignore',
      // Links, images and styles stay out, and no formula expands or grows without end.
      trust: false,
      maxExpand: 200,
      maxSize: 30,
    })
    .replace(SOURCE, '')

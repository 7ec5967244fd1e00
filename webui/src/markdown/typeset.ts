/** Formulas; a chunk of its own, with fonts from our own origin. */

import katex from 'katex'
import styles from 'katex/dist/katex.min.css?url'
import type { Typeset } from '@/markdown/extras'
import { addStyles } from '@/markdown/styles'

/** For programs only, and the sanitiser would turn it into visible text. */
const SOURCE = /<annotation encoding="application\/x-tex">[^<]*<\/annotation>/g

export const typeset: Typeset = (tex, display) =>
  katex
    .renderToString(tex, {
      displayMode: display,
      throwOnError: false,
      strict: 'ignore',
      errorColor: 'var(--danger)',
      // Links, images and styles stay out, and no formula expands or grows without end.
      trust: false,
      maxExpand: 200,
      maxSize: 30,
    })
    .replace(SOURCE, '')

export async function load(): Promise<Typeset> {
  await addStyles(styles)
  return typeset
}

/** What the parser's rules are told about the text they work on. */

import type { Env } from 'markdown-it'
import type { ExtraName, Extras } from '@/markdown/extras'
import type { Labels } from '@/markdown/labels'

export interface Sheet {
  labels: Labels
  extras: Extras
  /** More text is to come: what is not closed yet may be. */
  streaming: boolean
  /** Filled while rendering: the parts that are not loaded and would be of use. */
  wants: Set<ExtraName>
  /** The long code that is growing, as it was coloured last. */
  growing?: Coloured
}

export interface Coloured {
  code: string
  html: string
}

const SHEET = 'sheet'

export const envOf = (sheet: Sheet, references: object = {}): Env =>
  ({ [SHEET]: sheet, references }) as Env

export const sheetOf = (env: Env | undefined): Sheet =>
  (env as unknown as Record<typeof SHEET, Sheet>)[SHEET]

/** The heavy parts, loaded by the first answer that needs them. */

import { shallowRef, type ShallowRef } from 'vue'
import { persistent } from '@/lib/persistent'
import type { Sleep } from '@/stream/wait'

/** Code as HTML; null for a language that is not known. */
export type Highlight = (code: string, language: string) => string | null
/** TeX as HTML. */
export type Typeset = (tex: string, display: boolean) => string

export interface Extras {
  highlight?: Highlight
  typeset?: Typeset
}
export type ExtraName = keyof Extras

type Loaders = { [Name in ExtraName]: () => Promise<Required<Extras>[Name]> }

export interface Loading {
  /** What is loaded so far; a new object each time, so that watching it tells when to draw again. */
  extras: ShallowRef<Extras>
  /** May be called as often as one likes. Resolves when the part is there, however long that takes. */
  load(name: ExtraName): Promise<void>
}

export function loading(loaders: Loaders, pause?: Sleep): Loading {
  const extras = shallowRef<Extras>({})
  const once = <Name extends ExtraName>(name: Name): (() => Promise<void>) =>
    persistent(async () => {
      const part = await loaders[name]()
      extras.value = { ...extras.value, [name]: part }
    }, pause)
  const parts = { highlight: once('highlight'), typeset: once('typeset') }
  return { extras, load: (name) => parts[name]() }
}

export const { extras, load } = loading({
  highlight: async () => (await import('@/markdown/highlight')).highlight,
  typeset: async () => (await import('@/markdown/typeset')).load(),
})

/** The heavy parts, loaded by the first answer that needs them. */

import { shallowRef } from 'vue'

/** Code as HTML; null for a language that is not known. */
export type Highlight = (code: string, language: string) => string | null
/** TeX as HTML. */
export type Typeset = (tex: string, display: boolean) => string

export interface Extras {
  highlight?: Highlight
  typeset?: Typeset
}
export type ExtraName = keyof Extras

/** What is loaded so far; a new object each time, so that watching it tells when to draw again. */
export const extras = shallowRef<Extras>({})

const loaders: { [Name in ExtraName]: () => Promise<Required<Extras>[Name]> } = {
  highlight: async () => (await import('@/markdown/highlight')).highlight,
  typeset: async () => (await import('@/markdown/typeset')).typeset,
}
const loading = new Map<ExtraName, Promise<void>>()

/** Loads it once. A load that failed, such as without a network, may be tried again. */
export function load(name: ExtraName): Promise<void> {
  const known = loading.get(name)
  if (known) return known
  const begun = loaders[name]().then(
    (part) => {
      extras.value = { ...extras.value, [name]: part }
    },
    () => {
      loading.delete(name)
    },
  )
  loading.set(name, begun)
  return begun
}

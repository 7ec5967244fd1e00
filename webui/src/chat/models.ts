/** The models that can chat, and how they are. */

import { defineStore } from 'pinia'
import { onScopeDispose, ref, shallowRef } from 'vue'
import * as api from '@/api/client'
import type { ModelState } from '@/api/wire'
import { whileVisible } from '@/lib/visible'

const EVERY_MS = 10_000

export const useModels = defineStore('models', () => {
  const items = shallowRef<ModelState[]>([])
  /** Whether the server has ever said which models there are. */
  const known = ref(false)

  async function load(): Promise<void> {
    try {
      const list = await api.listModels()
      items.value = list.items
      known.value = true
    } catch {
      // Without news the last list stays; the page says elsewhere that the connection is lost.
    }
  }

  /** Null for a model that is not on the list any more. */
  const stateOf = (id: string): ModelState | null =>
    items.value.find((model) => model.id === id) ?? null

  onScopeDispose(whileVisible(EVERY_MS, load))
  return { items, known, load, stateOf }
})

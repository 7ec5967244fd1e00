import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { listConversations } from '@/api/client'
import type { Conversation } from '@/api/wire'

const TYPING_MS = 200
const MOST = 12

/** The newest conversations, or what the server finds for `query` once typing has paused. */
export function useFound(query: Ref<string>, open: Ref<boolean>) {
  const items = shallowRef<readonly Conversation[]>([])
  const searching = ref(false)
  const failed = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let epoch = 0

  async function look(): Promise<void> {
    const mine = ++epoch
    try {
      const page = await listConversations({ search: query.value.trim(), limit: MOST })
      if (mine !== epoch) return
      items.value = query.value.trim() ? page.items : newestFirst(page.items)
      failed.value = false
    } catch {
      if (mine === epoch) failed.value = true
    } finally {
      if (mine === epoch) searching.value = false
    }
  }

  watch(
    [query, open],
    ([, isOpen], [, wasOpen]) => {
      clearTimeout(timer)
      if (!isOpen) return void epoch++
      searching.value = true
      if (wasOpen) timer = setTimeout(() => void look(), TYPING_MS)
      else void look()
    },
    { immediate: true },
  )
  onScopeDispose(() => clearTimeout(timer))
  return { items, searching, failed }
}

/** Pinned ones too stand where their time puts them: here the reader looks for what was last open. */
export function newestFirst(items: readonly Conversation[]): Conversation[] {
  return [...items].sort((a, b) => b.update_time - a.update_time)
}

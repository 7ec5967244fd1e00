/** The list of conversations beside the open one. */

import { defineStore } from 'pinia'
import { ref, shallowRef, watch } from 'vue'
import * as api from '@/api/client'
import type { Conversation, ConversationChange, ConversationPage, Problem } from '@/api/wire'
import { announce } from '@/chat/channel'
import { dropDraft } from '@/chat/drafts'
import { inOrder, withFirstPage } from '@/chat/order'

export { groupByDate, type Group, type GroupKey } from '@/chat/order'

const TYPING_MS = 250

export const useConversations = defineStore('conversations', () => {
  const items = shallowRef<Conversation[]>([])
  const more = ref(false)
  const loading = ref(false)
  const problem = shallowRef<Problem | null>(null)
  const search = ref('')
  let cursor: string | null = null
  /** Counts what makes an answer that is still under way worthless. */
  let epoch = 0
  /** Ids are used once: whatever the server says late, these do not come back. */
  const removed = new Set<string>()
  const isThere = (item: Conversation): boolean => !removed.has(item.id)

  async function read(take: (page: ConversationPage) => void, from: string | null): Promise<void> {
    const mine = epoch
    try {
      const page = await api.listConversations({ cursor: from, search: search.value.trim() })
      if (mine !== epoch) return
      take({ ...page, items: page.items.filter(isThere) })
      problem.value = null
    } catch (error) {
      if (mine === epoch) problem.value = api.problemOf(error)
    }
  }

  function takeFirst(page: ConversationPage): void {
    const isAll = page.next_cursor === null
    items.value = withFirstPage(items.value, page.items, isAll)
    // Pages that were loaded before stay, and so does the place to go on from.
    if (isAll || items.value.length === page.items.length) cursor = page.next_cursor
    more.value = cursor !== null
  }

  /** From the top; what is shown is replaced. */
  async function load(): Promise<void> {
    epoch++
    const mine = epoch
    loading.value = true
    await read((page) => {
      items.value = page.items
      cursor = page.next_cursor
      more.value = cursor !== null
    }, null)
    if (mine === epoch) loading.value = false
  }

  async function loadMore(): Promise<void> {
    if (loading.value || cursor === null) return
    const mine = epoch
    loading.value = true
    await read((page) => {
      const ids = new Set(items.value.map((item) => item.id))
      items.value = [...items.value, ...page.items.filter((item) => !ids.has(item.id))]
      cursor = page.next_cursor
      more.value = cursor !== null
    }, cursor)
    if (mine === epoch) loading.value = false
  }

  /** Look for news without disturbing what is shown. */
  const refresh = (): Promise<void> => (loading.value ? Promise.resolve() : read(takeFirst, null))

  function patch(id: string, change: Partial<Conversation>): void {
    const at = items.value.findIndex((item) => item.id === id)
    if (at < 0) return
    epoch++
    loading.value = false
    items.value = items.value.with(at, { ...items.value[at]!, ...change }).sort(inOrder)
  }

  function upsert(conversation: Conversation): void {
    if (!isThere(conversation)) return
    const others = items.value.filter((item) => item.id !== conversation.id)
    const known = others.length < items.value.length
    // A search shows what it has found, not everything that is new.
    if (!known && search.value.trim()) return
    epoch++
    loading.value = false
    items.value = [...others, conversation].sort(inOrder)
  }

  /** Shown at once, taken back if the server refuses; the refusal is raised as `ApiError`. */
  async function change(id: string, wanted: ConversationChange): Promise<void> {
    const before = items.value.find((item) => item.id === id)
    patch(id, wanted as Partial<Conversation>)
    try {
      upsertKept(await api.changeConversation(id, wanted))
      announce(id)
    } catch (error) {
      // Only what was wanted is taken back: the rest may have changed meanwhile.
      const keys = Object.keys(wanted) as (keyof Conversation)[]
      if (before) patch(id, Object.fromEntries(keys.map((key) => [key, before[key]])))
      throw error
    }
  }

  /** The server's row knows nothing of a search that is going on: keep where it found its words. */
  function upsertKept(conversation: Conversation): void {
    const before = items.value.find((item) => item.id === conversation.id)
    upsert({ ...conversation, excerpt: before?.excerpt ?? null })
  }

  const rename = (id: string, name: string): Promise<void> => change(id, { name })
  const pin = (id: string, pinned: boolean): Promise<void> => change(id, { pinned })

  async function remove(id: string): Promise<void> {
    const lost = items.value.find((item) => item.id === id)
    epoch++
    loading.value = false
    removed.add(id)
    items.value = items.value.filter(isThere)
    try {
      await api.deleteConversation(id)
    } catch (error) {
      // Somebody else was faster: gone is gone.
      if (!(error instanceof api.ApiError && error.status === 404)) {
        removed.delete(id)
        if (lost) upsert(lost)
        throw error
      }
    }
    dropDraft(id)
    announce(id)
  }

  let typing: ReturnType<typeof setTimeout> | undefined
  watch(search, () => {
    clearTimeout(typing)
    typing = setTimeout(() => void load(), TYPING_MS)
  })

  return {
    items, more, loading, problem, search,
    load, loadMore, refresh, rename, pin, remove, patch, upsert,
  }
})

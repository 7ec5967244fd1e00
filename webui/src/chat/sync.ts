/** Keeps this tab in step with what happens in others, by word of mouth and by looking. */

import { onScopeDispose, watch } from 'vue'
import type { Conversation } from '@/api/wire'
import { hear } from '@/chat/channel'
import { useConversations } from '@/chat/conversations'
import { useThread } from '@/chat/thread'
import { whileVisible } from '@/lib/visible'

const EVERY_MS = 5000

/** What of a list entry tells that its messages have changed. */
const mark = (row: Conversation): string => `${row.update_time} ${row.leaf_id} ${row.running}`

/** To be called once, by the component that lives as long as the page. */
export function useSync(): void {
  const conversations = useConversations()
  const thread = useThread()

  /** The messages are read only when the list says that there is news, or cannot say. */
  async function look(): Promise<void> {
    await conversations.refresh()
    const id = thread.id
    if (id === null) return
    const row = conversations.items.find((item) => item.id === id)
    const known = thread.conversation
    if (!row || !known || mark(row) !== mark(known)) await thread.refresh()
  }

  onScopeDispose(whileVisible(EVERY_MS, look))
  onScopeDispose(
    hear((conversationId) => {
      void conversations.refresh()
      if (conversationId === thread.id) void thread.refresh()
    }),
  )
  // A name that was made or changed elsewhere shows in the open conversation too.
  watch(
    () => conversations.items.find((item) => item.id === thread.id),
    (row) => {
      const known = thread.conversation
      if (row && known && (row.name !== known.name || row.pinned !== known.pinned)) {
        thread.conversation = { ...known, name: row.name, named_by: row.named_by, pinned: row.pinned }
      }
    },
  )
}

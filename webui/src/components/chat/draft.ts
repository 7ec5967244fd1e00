import { ref, watch, type Ref } from 'vue'
import { draftOf, dropDraft, keepDraft } from '@/chat/drafts'
import { useThread } from '@/chat/thread'

/** The text in the message field: every conversation has its own, also after a reload. */
export function useDraft(): Ref<string> {
  const thread = useThread()
  const text = ref(draftOf(thread.id))

  watch(text, (now) => keepDraft(thread.id, now))
  watch(
    () => thread.id,
    (id, before) => {
      // A new conversation has just got its id: what was typed meanwhile belongs to it.
      if (before === null && id !== null && thread.turns.length) {
        keepDraft(id, text.value)
        dropDraft(null)
      } else {
        text.value = draftOf(id)
      }
    },
  )
  return text
}

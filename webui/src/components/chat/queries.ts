import { watch } from 'vue'
import { useThread } from '@/chat/thread'

const queries = new Map<string, string>()

/**
 * The questions of all messages this page has seen: a message names its siblings by id only, and
 * whether one is another answer or another question shows in its text.
 */
export function useQueries(): (id: string) => string | undefined {
  const thread = useThread()
  watch(
    () => thread.turns,
    (turns) => {
      for (const turn of turns) if (turn.id) queries.set(turn.id, turn.query)
    },
    { immediate: true, flush: 'sync' },
  )
  return (id) => queries.get(id)
}

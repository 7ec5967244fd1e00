import { computed, onScopeDispose, ref, watch } from 'vue'
import type { GenerationSettings } from '@/api/wire'
import { sameSettings } from '@/chat/compose'
import { useThread } from '@/chat/thread'
import { complete, countSet } from '@/components/settings/fields'

/** The thread saves what changes after a short pause; from here on it counts as not saved. */
const PATIENCE_MS = 4_000

export type Saved = 'new' | 'saved' | 'saving' | 'late'

/** The settings of the open conversation, or of the next one, and whether the server has them. */
export function useDraft() {
  const thread = useThread()
  const late = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  const settings = computed(() => complete(thread.settings))
  const unsaved = computed(
    () => thread.conversation !== null && !sameSettings(complete(thread.conversation.settings), settings.value),
  )
  const saved = computed<Saved>(() => {
    if (!thread.conversation) return 'new'
    if (!unsaved.value) return 'saved'
    return late.value ? 'late' : 'saving'
  })

  watch([unsaved, settings], ([isUnsaved]) => {
    clearTimeout(timer)
    late.value = false
    if (isUnsaved) timer = setTimeout(() => (late.value = true), PATIENCE_MS)
  })
  onScopeDispose(() => clearTimeout(timer))

  function change(part: Partial<GenerationSettings>): void {
    thread.settings = complete({ ...settings.value, ...part })
  }

  return {
    settings,
    saved,
    set: computed(() => countSet(settings.value)),
    change,
    reset: () => (thread.settings = complete({})),
  }
}

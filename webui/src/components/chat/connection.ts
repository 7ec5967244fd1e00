import { computed, onScopeDispose, ref, type ComputedRef } from 'vue'
import { useConversations } from '@/chat/conversations'

/** Whether the server can be reached, as far as the browser and the last look at the list know. */
export function useConnection(): ComputedRef<boolean> {
  const conversations = useConversations()
  const isOnline = ref(navigator.onLine)
  const look = (): void => void (isOnline.value = navigator.onLine)
  for (const name of ['online', 'offline']) addEventListener(name, look)
  onScopeDispose(() => {
    for (const name of ['online', 'offline']) removeEventListener(name, look)
  })
  return computed(() => isOnline.value && conversations.problem?.code !== 'network')
}

import { onScopeDispose, ref } from 'vue'
import { copyText } from '@/lib/clipboard'

const SHOWN_MS = 1_500

/** `copy` puts a text on the clipboard; `copied` is true for a moment after it worked. */
export function useCopy() {
  const copied = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  async function copy(text: string): Promise<boolean> {
    if (!(await copyText(text))) return false
    copied.value = true
    clearTimeout(timer)
    timer = setTimeout(() => (copied.value = false), SHOWN_MS)
    return true
  }

  onScopeDispose(() => clearTimeout(timer))
  return { copied, copy }
}

import { ref, watch, type Ref } from 'vue'

/** Whether this was ever open: what is behind it is fetched at its first use and then stays. */
export function useOpened(open: Ref<boolean>): Ref<boolean> {
  const opened = ref(open.value)
  watch(open, (isOpen) => isOpen && (opened.value = true), { flush: 'sync' })
  return opened
}

import { nextTick, watch, type Ref } from 'vue'

/** Makes a text field as high as its text; its `max-height` in CSS is the limit. */
export function useAutosize(field: Readonly<Ref<HTMLTextAreaElement | null>>, text: () => string): void {
  if (CSS.supports('field-sizing', 'content')) return
  const fit = async (): Promise<void> => {
    await nextTick()
    const element = field.value
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${element.scrollHeight}px`
  }
  watch([field, text], fit, { immediate: true })
}

/** Whether this key press belongs to an input method; Safari says so only by the old key code. */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229
}

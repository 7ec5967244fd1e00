import { onScopeDispose, ref, watch, type Ref } from 'vue'

/** So near the end (px) that the reader means the end. */
const NEAR = 40

type Element = Readonly<Ref<HTMLElement | null>>

/** How far the last answer is: what makes new text, where late pictures and older turns do not. */
export interface Written {
  key: string
  length: number
  running: boolean
}

/** Whether the same answer has more text than before. Its last words may come with its end. */
export function hasGrown(now: Written | null, before: Written | null | undefined): boolean {
  return Boolean(now && before?.running && now.key === before.key && now.length > before.length)
}

const calm = matchMedia('(prefers-reduced-motion: reduce)')

/**
 * Keeps the end of `inner` in sight in `box` while text is added, until the reader scrolls up, and
 * again once they are back at the end. `unseen`: `written` went on below what they look at.
 */
export function useStick(box: Element, inner: Element, written: () => Written | null) {
  const atEnd = ref(true)
  const unseen = ref(false)
  let sticks = true
  let lastTop = 0
  let lastHeight = 0

  const gap = (of: HTMLElement): number => of.scrollHeight - of.scrollTop - of.clientHeight

  function look(of: HTMLElement): void {
    atEnd.value = gap(of) <= NEAR
    if (atEnd.value) unseen.value = false
    lastTop = of.scrollTop
    lastHeight = of.scrollHeight
  }

  function scrolled(): void {
    const of = box.value
    if (!of) return
    // Content that shrinks moves the place up as well; that is not the reader.
    if (of.scrollTop < lastTop - 1 && of.scrollHeight >= lastHeight) sticks = false
    if (gap(of) <= NEAR) sticks = true
    look(of)
  }

  function resized(): void {
    const of = box.value
    if (!of) return
    if (sticks) of.scrollTop = of.scrollHeight
    look(of)
  }

  /** Go to the end and stay there. */
  function toEnd(smooth = false): void {
    const of = box.value
    if (!of) return
    sticks = true
    unseen.value = false
    of.scrollTo({ top: of.scrollHeight, behavior: smooth && !calm.matches ? 'smooth' : 'instant' })
    if (!smooth) look(of)
  }

  /** Changes what stands above without moving what the reader looks at. */
  async function holding(anchor: Element['value'], change: () => Promise<void>): Promise<void> {
    const of = box.value
    const before = anchor?.getBoundingClientRect().top ?? 0
    sticks = false
    await change()
    if (of && anchor?.isConnected) of.scrollTop += anchor.getBoundingClientRect().top - before
    if (of) look(of)
  }

  watch(
    written,
    (now, before) => {
      if (!sticks && hasGrown(now, before)) unseen.value = true
    },
    { flush: 'post' },
  )

  const observer = new ResizeObserver(resized)
  watch(
    [box, inner],
    ([outer, content], [before]) => {
      observer.disconnect()
      before?.removeEventListener('scroll', scrolled)
      outer?.addEventListener('scroll', scrolled, { passive: true })
      for (const element of [outer, content]) if (element) observer.observe(element)
    },
    { immediate: true, flush: 'post' },
  )
  onScopeDispose(() => {
    observer.disconnect()
    box.value?.removeEventListener('scroll', scrolled)
  })
  return { atEnd, unseen, toEnd, holding }
}

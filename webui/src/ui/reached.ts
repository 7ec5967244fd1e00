import { onScopeDispose, watch, type Ref } from 'vue'

const AHEAD = '400px'

/**
 * Calls `reach` when `end` comes near the visible part of its scroll box (the ancestor with
 * `data-scroller`), and again after `changed` says so while the end is still in sight.
 */
export function useReached(
  end: Readonly<Ref<HTMLElement | null>>,
  reach: () => void,
  changed: () => unknown,
): void {
  let observer: IntersectionObserver | undefined

  function observe(element: HTMLElement): void {
    const look = (entries: IntersectionObserverEntry[]): void => {
      if (entries[entries.length - 1]?.isIntersecting) reach()
    }
    observer = new IntersectionObserver(look, {
      root: element.closest('[data-scroller]'),
      rootMargin: AHEAD,
    })
    observer.observe(element)
  }

  watch(
    end,
    (element) => {
      observer?.disconnect()
      if (element) observe(element)
    },
    { immediate: true, flush: 'post' },
  )
  // Looked at afresh in the next frame: where the end was before the change says nothing.
  watch(
    changed,
    () => {
      if (!end.value || !observer) return
      observer.unobserve(end.value)
      observer.observe(end.value)
    },
    { flush: 'post' },
  )
  onScopeDispose(() => observer?.disconnect())
}

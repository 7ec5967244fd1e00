import { nextTick, onScopeDispose, shallowRef, watch } from 'vue'

/** So many new turns are drawn at once: more than a screen shows. */
const FIRST = 4
/** Drawing may go on for so long (ms) before the page gets to breathe. */
const BUDGET_MS = 8

/** Resolves when the page has time: in a pause, or after a frame where there are no pauses. */
export type Pause = () => Promise<void>

const breath: Pause = () =>
  new Promise((resolve) => {
    if ('requestIdleCallback' in window) requestIdleCallback(() => resolve(), { timeout: 100 })
    else setTimeout(resolve, 16)
  })

/**
 * Which of `keys` are drawn: the last ones at once, the others above them one by one as time
 * permits, the newest first. What was drawn stays drawn.
 */
export function useSlices(keys: () => string[], pause: Pause = breath): { isDrawn: (key: string) => boolean } {
  const drawn = shallowRef<ReadonlySet<string>>(new Set())
  let isBusy = false
  let isOver = false

  const newestUndrawn = (): string | undefined => keys().findLast((key) => !drawn.value.has(key))

  function add(...more: string[]): void {
    drawn.value = new Set([...drawn.value, ...more])
  }

  async function drawRest(): Promise<void> {
    if (isBusy) return
    isBusy = true
    while (!isOver && newestUndrawn() !== undefined) {
      await pause()
      const begun = performance.now()
      for (let key = newestUndrawn(); key !== undefined && !isOver; key = newestUndrawn()) {
        add(key)
        await nextTick()
        if (performance.now() - begun > BUDGET_MS) break
      }
    }
    isBusy = false
  }

  watch(
    // As text, because a turn that grows is a new list of the same keys.
    () => keys().join(),
    () => {
      const known = keys().filter((key) => drawn.value.has(key))
      const fresh = keys().filter((key) => !drawn.value.has(key))
      // Other conversations are forgotten, so that the set does not grow for ever.
      drawn.value = new Set([...known, ...fresh.slice(-FIRST)])
      void drawRest()
    },
    { immediate: true, flush: 'sync' },
  )
  onScopeDispose(() => (isOver = true))
  return { isDrawn: (key) => drawn.value.has(key) }
}

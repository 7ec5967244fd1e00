/**
 * Calls `run` every `ms` while the page is visible, and at once when the reader comes back to it.
 * Returns what ends it. A call that is still running is not joined by a second one.
 */
export function whileVisible(ms: number, run: () => Promise<unknown>): () => void {
  let running = false
  const tick = async (): Promise<void> => {
    if (document.hidden || running) return
    running = true
    try {
      await run()
    } catch {
      // The next round tries again; what is shown stays.
    } finally {
      running = false
    }
  }
  const now = (): void => void tick()
  const timer = setInterval(now, ms)
  document.addEventListener('visibilitychange', now)
  window.addEventListener('focus', now)
  window.addEventListener('online', now)
  return () => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', now)
    window.removeEventListener('focus', now)
    window.removeEventListener('online', now)
  }
}

/**
 * Calls `draw` once for any number of calls within a frame. A hidden page has no frames, so a
 * slow timer stands in for them; whichever comes first wins.
 */
export function perFrame(draw: () => void, hidden_ms = 300): { ask(): void; now(): void; cancel(): void } {
  let frame = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const cancel = (): void => {
    if (frame) cancelAnimationFrame(frame)
    clearTimeout(timer)
    frame = 0
    timer = undefined
  }
  const now = (): void => {
    cancel()
    draw()
  }
  const ask = (): void => {
    if (timer !== undefined) return
    timer = setTimeout(now, hidden_ms)
    if (!document.hidden) frame = requestAnimationFrame(now)
  }
  return { ask, now, cancel }
}

const COMPOSER = 'composer'

/** Put the cursor into the message field. A phone would open its keyboard over what one reads. */
export function focusComposer(): void {
  document.getElementById(COMPOSER)?.focus({ preventScroll: true })
}

export function focusComposerUnlessTouch(): void {
  if (matchMedia('(pointer: fine)').matches) focusComposer()
}

/** Moves the focus through `selector` inside `box` with the arrow keys, Home and End. */
export function roveFocus(event: KeyboardEvent, box: HTMLElement, selector: string): void {
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key]
  const stops = [...box.querySelectorAll<HTMLElement>(selector)]
  const at = stops.findIndex((stop) => stop === document.activeElement)
  if (step === undefined || at < 0) return
  event.preventDefault()
  stops[Math.max(0, Math.min(stops.length - 1, at + step))]?.focus()
}

export type Side = 'top' | 'bottom' | 'right'

export interface Box {
  left: number
  top: number
  width: number
  height: number
}

const GAP = 8
const MARGIN = 8

function clamp(value: number, most: number): number {
  return Math.max(MARGIN, Math.min(value, most))
}

/** Where a tip of this size goes beside its anchor: on the wanted side if it fits, else across. */
export function placeTip(
  anchor: Box,
  tip: { width: number; height: number },
  window: { width: number; height: number },
  side: Side,
): { left: number; top: number } {
  if (side === 'right') {
    return {
      left: clamp(anchor.left + anchor.width + GAP, window.width - tip.width - MARGIN),
      top: clamp(anchor.top + (anchor.height - tip.height) / 2, window.height - tip.height - MARGIN),
    }
  }
  const above = anchor.top - tip.height - GAP
  const below = anchor.top + anchor.height + GAP
  const fitsBelow = below + tip.height + MARGIN <= window.height
  const top = side === 'top' ? (above >= MARGIN ? above : below) : fitsBelow ? below : above
  const left = anchor.left + (anchor.width - tip.width) / 2
  return { left: clamp(left, window.width - tip.width - MARGIN), top }
}

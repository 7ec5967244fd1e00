import { describe, expect, it } from 'vitest'
import { placeTip } from '@/ui/tips'

const WINDOW = { width: 400, height: 300 }
const TIP = { width: 100, height: 24 }
const box = (left: number, top: number) => ({ left, top, width: 32, height: 32 })

describe('placeTip', () => {
  it('stands in the middle below its anchor', () => {
    expect(placeTip(box(200, 100), TIP, WINDOW, 'bottom')).toEqual({ left: 166, top: 140 })
  })

  it('goes above where there is no room below', () => {
    expect(placeTip(box(200, 260), TIP, WINDOW, 'bottom').top).toBe(228)
  })

  it('goes below where there is no room above', () => {
    expect(placeTip(box(200, 4), TIP, WINDOW, 'top').top).toBe(44)
  })

  it('never leaves the window at its sides', () => {
    expect(placeTip(box(0, 100), TIP, WINDOW, 'bottom').left).toBe(8)
    expect(placeTip(box(380, 100), TIP, WINDOW, 'bottom').left).toBe(292)
  })
})

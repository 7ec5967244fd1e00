import { describe, expect, it } from 'vitest'
import { isMac, keyNames, matches, type Stroke } from '@/lib/keys'

const stroke = (key: string, held: Partial<Stroke> = {}): Stroke => ({
  key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...held,
})

describe('a combination', () => {
  it('means Command on a Mac and Ctrl elsewhere', () => {
    expect(matches(stroke('k', { metaKey: true }), 'mod+k', true)).toBe(true)
    expect(matches(stroke('k', { ctrlKey: true }), 'mod+k', true)).toBe(false)
    expect(matches(stroke('k', { ctrlKey: true }), 'mod+k', false)).toBe(true)
    expect(matches(stroke('k', { metaKey: true }), 'mod+k', false)).toBe(false)
  })
  it('wants all its keys and no others', () => {
    expect(matches(stroke('O', { ctrlKey: true, shiftKey: true }), 'mod+shift+o', false)).toBe(true)
    expect(matches(stroke('o', { ctrlKey: true }), 'mod+shift+o', false)).toBe(false)
    expect(matches(stroke('k', { ctrlKey: true, altKey: true }), 'mod+k', false)).toBe(false)
    expect(matches(stroke('ArrowUp', { altKey: true }), 'alt+arrowup', false)).toBe(true)
  })
  it('takes a sign however a keyboard makes it', () => {
    expect(matches(stroke('?', { shiftKey: true }), '?', false)).toBe(true)
    expect(matches(stroke('?'), '?', false)).toBe(true)
    expect(matches(stroke('+', { ctrlKey: true, shiftKey: true }), 'mod++', false)).toBe(true)
    expect(matches(stroke('+'), '+', false)).toBe(true)
  })
  it('is not heard while an input method composes', () => {
    expect(matches(stroke('Enter', { isComposing: true }), 'enter', false)).toBe(false)
  })
  it('is named as the keyboard prints it', () => {
    expect(keyNames('mod+shift+o', true)).toEqual(['⌘', '⇧', 'O'])
    expect(keyNames('mod+shift+arrowup', false)).toEqual(['Ctrl', 'Shift', '↑'])
    expect(keyNames('mod++', false)).toEqual(['Ctrl', '+'])
    expect(keyNames('escape', false)).toEqual(['Esc'])
  })
  it('knows a Mac', () => {
    expect([isMac('MacIntel'), isMac('iPhone'), isMac('Win32'), isMac('Linux x86_64')]).toEqual([true, true, false, false])
  })
})

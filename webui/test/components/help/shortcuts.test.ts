import { describe, expect, it } from 'vitest'
import { comboText, SHORTCUTS, shortcutOf, type Press } from '@/components/help/shortcuts'
import en from '@/i18n/more.en'

function press(key: string, held: string = '', code = ''): Press {
  return {
    key,
    code,
    ctrlKey: held.includes('ctrl'),
    metaKey: held.includes('meta'),
    shiftKey: held.includes('shift'),
    altKey: held.includes('alt'),
    isComposing: false,
  }
}

describe('shortcutOf', () => {
  it.each([
    [press('k', 'ctrl'), 'palette'],
    [press('O', 'ctrl shift'), 'new'],
    [press('o', 'ctrl'), null],
    [press('b', 'ctrl'), 'sidebar'],
    [press('.', 'ctrl'), 'settings'],
    [press('/', 'ctrl'), 'help'],
    [press('/', 'ctrl shift'), 'help'],
    [press('Escape'), 'stop'],
    [press('Escape', 'shift'), 'composer'],
    [press(':', 'ctrl shift'), 'copy'],
    [press(';', 'ctrl shift'), 'copy'],
    [press('Backspace', 'ctrl shift'), 'delete'],
    [press('Backspace', 'ctrl'), null],
    [press('k', 'ctrl alt'), null],
    [press('k', 'meta'), null],
  ] as const)('%# on a keyboard with Ctrl', (key, id) => expect(shortcutOf(key, true, false)).toBe(id))

  it('wants Command on a Mac, where Ctrl+K deletes to the end of the line', () => {
    expect(shortcutOf(press('k', 'meta'), true, true)).toBe('palette')
    expect(shortcutOf(press('k', 'ctrl'), true, true)).toBeNull()
  })
  it('leaves "?" to a text field', () => {
    expect(shortcutOf(press('?', 'shift'), true, false)).toBeNull()
    expect(shortcutOf(press('?', 'shift'), false, false)).toBe('help')
  })
  it('finds the letter by its place on a layout without Latin letters', () => {
    expect(shortcutOf(press('л', 'ctrl', 'KeyK'), true, false)).toBe('palette')
  })
  it('follows the letter, not the place, on other Latin layouts', () => {
    expect(shortcutOf(press('k', 'ctrl', 'KeyV'), true, false)).toBe('palette')
    expect(shortcutOf(press('t', 'ctrl', 'KeyK'), true, false)).toBeNull()
  })
  it('leaves every key to an input method that composes', () => {
    expect(shortcutOf({ ...press('Escape'), isComposing: true }, true, false)).toBeNull()
  })
})

it('no two shortcuts share their keys', () => {
  const combos = SHORTCUTS.flatMap(({ combo, also }) => [combo, ...(also ? [also] : [])])
  expect(new Set(combos).size).toBe(combos.length)
})
it('takes none of the keys a page must not take', () => {
  const reserved = ['mod+n', 'mod+t', 'mod+w', 'mod+shift+n', 'mod+shift+t', 'mod+shift+c', 'mod+shift+i']
  expect(SHORTCUTS.filter(({ combo }) => reserved.includes(combo))).toEqual([])
})
it('every shortcut is explained', () => {
  expect(SHORTCUTS.filter(({ id }) => !en.help.does[id])).toEqual([])
})
it('is written as the platform writes it', () => {
  expect(comboText('new', false)).toBe('Ctrl+Shift+O')
  expect(comboText('new', true)).toBe('⌘⇧O')
})

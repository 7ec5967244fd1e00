import { isMac, keyNames, matches, type Stroke } from '@/lib/keys'

/**
 * Every keyboard shortcut, in the order the help sheet lists them.
 *
 * The browser's own keys are left alone where a page may not or should not take them: Ctrl+N, T, W,
 * and Ctrl+Shift+C, which opens the inspector; therefore the last answer is copied with Ctrl+Shift+;.
 * Ctrl+K, Ctrl+B, Ctrl+Shift+O and Shift+Esc have meanings in some browsers too, but pages are
 * allowed to take them and other chat pages do, so that people expect them.
 */
export type ShortcutId =
  | 'palette'
  | 'new'
  | 'sidebar'
  | 'settings'
  | 'help'
  | 'composer'
  | 'copy'
  | 'stop'
  | 'delete'

export interface Shortcut {
  id: ShortcutId
  group: 'general' | 'chat'
  /** Combinations as `lib/keys` reads them. */
  combo: string
  /** The same keys as some layouts name them: Shift+; is ":" on an American keyboard. */
  also?: string
  /** False: only while no text field has the focus. */
  whileTyping?: boolean
}

export const SHORTCUTS: readonly Shortcut[] = [
  { id: 'palette', group: 'general', combo: 'mod+k' },
  { id: 'new', group: 'general', combo: 'mod+shift+o' },
  { id: 'sidebar', group: 'general', combo: 'mod+b' },
  { id: 'settings', group: 'general', combo: 'mod+.' },
  { id: 'help', group: 'general', combo: 'mod+/' },
  { id: 'help', group: 'general', combo: '?', whileTyping: false },
  { id: 'composer', group: 'chat', combo: 'shift+escape' },
  { id: 'copy', group: 'chat', combo: 'mod+shift+;', also: 'mod+:' },
  { id: 'stop', group: 'chat', combo: 'escape' },
  { id: 'delete', group: 'chat', combo: 'mod+shift+backspace' },
]

export interface Press extends Stroke {
  /** The key's place on the keyboard. */
  code: string
}

/** The shortcut that this key press is, if any. `typing`: whether a text field has the focus. */
export function shortcutOf(press: Press, typing: boolean, mac = isMac()): ShortcutId | null {
  const stroke = latin(press)
  const found = SHORTCUTS.find(
    ({ combo, also, whileTyping = true }) =>
      (whileTyping || !typing) &&
      (matches(stroke, combo, mac) || (also !== undefined && matches(stroke, also, mac))),
  )
  return found?.id ?? null
}

/** A Russian or Greek layout types no "k" on the K key: then the key's place counts. */
function latin(press: Press): Stroke {
  const { key, ctrlKey, metaKey, shiftKey, altKey, isComposing } = press
  const letter = /^Key([A-Z])$/.exec(press.code)?.[1]?.toLowerCase()
  const foreign = key.length === 1 && key.charCodeAt(0) > 127
  const read = foreign && letter !== undefined ? letter : key
  return { key: read, ctrlKey, metaKey, shiftKey, altKey, isComposing }
}

/** The keys of a shortcut as one text, for menus and tooltips: "Ctrl+Shift+O" or "⌘⇧O". */
export function comboText(id: ShortcutId, mac = isMac()): string {
  const shortcut = SHORTCUTS.find((entry) => entry.id === id)
  return shortcut ? keyNames(shortcut.combo, mac).join(mac ? '' : '+') : ''
}

/** What the message field does by itself; listed in the help sheet, bound in the field. */
export const COMPOSER_KEYS = [
  { does: 'send', combo: 'enter' },
  { does: 'newline', combo: 'shift+enter' },
  { does: 'editLast', combo: 'arrowup' },
] as const

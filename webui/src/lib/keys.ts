/** Keyboard shortcuts as plain values: `mod+k` is Command-K on a Mac and Ctrl-K elsewhere. */

export interface Stroke {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  shiftKey: boolean
  altKey: boolean
  isComposing?: boolean
}

export function isMac(platform: string = navigator.platform): boolean {
  return /^(Mac|iPhone|iPad|iPod)/.test(platform)
}

/** Whether `stroke` is `combo`, such as `mod+shift+o`, `escape`, `?` or `alt+arrowup`. */
export function matches(stroke: Stroke, combo: string, mac: boolean = isMac()): boolean {
  // An input method owns the keys while it composes: its Enter picks a word.
  if (stroke.isComposing) return false
  const { key, wanted } = parse(combo)
  if (stroke.key.toLowerCase() !== key) return false
  const command = mac ? stroke.metaKey : stroke.ctrlKey
  const other = mac ? stroke.ctrlKey : stroke.metaKey
  // A sign such as "?" already says whether Shift was needed, which differs between keyboards.
  const isSign = key.length === 1 && !/[a-z0-9 ]/.test(key)
  return (
    command === wanted.has('mod') &&
    other === wanted.has('ctrl') &&
    stroke.altKey === wanted.has('alt') &&
    (isSign || stroke.shiftKey === wanted.has('shift'))
  )
}

const MAC_NAMES: Record<string, string> = { mod: '⌘', ctrl: '⌃', shift: '⇧', alt: '⌥', enter: '↵' }
const NAMES: Record<string, string> = { mod: 'Ctrl', ctrl: 'Ctrl', shift: 'Shift', alt: 'Alt' }
const ARROWS: Record<string, string> = {
  arrowup: '↑',
  arrowdown: '↓',
  arrowleft: '←',
  arrowright: '→',
  escape: 'Esc',
}

/** The names of a combination's keys, as they are printed on this keyboard. */
export function keyNames(combo: string, mac: boolean = isMac()): string[] {
  const names = mac ? MAC_NAMES : NAMES
  return split(combo).map((part) => names[part] ?? ARROWS[part] ?? capital(part))
}

function parse(combo: string): { key: string; wanted: Set<string> } {
  const parts = split(combo)
  return { key: parts[parts.length - 1] ?? '', wanted: new Set(parts.slice(0, -1)) }
}

function split(combo: string): string[] {
  if (combo === '+') return ['+']
  const plus = combo.endsWith('++')
  const parts = (plus ? combo.slice(0, -2) : combo).toLowerCase().split('+')
  return plus ? [...parts, '+'] : parts
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

import { onScopeDispose } from 'vue'
import { shortcutOf, type ShortcutId } from '@/components/help/shortcuts'
import { useCommands } from '@/components/palette/useCommands'
import { focusComposer } from '@/ui/focus'
import { helpOpen, paletteOpen, settingsOpen } from '@/ui/layout'

const OVERLAYS = ['dialog', 'alertdialog', 'menu', 'listbox'].map((role) => `[role=${role}][data-state=open]`)
const OPEN_LAYER = OVERLAYS.join()
const NOT_TYPED = ['checkbox', 'radio', 'button', 'submit', 'range', 'color', 'file']

/** Binds every shortcut of the page, for as long as the component that calls this is there. */
export function useShortcuts(): void {
  const { context, run } = useCommands()

  /** What a key does; false when it has nothing to do here, so that the browser keeps it. */
  const does: Record<ShortcutId, () => unknown> = {
    palette: () => (paletteOpen.value = !paletteOpen.value),
    help: () => (helpOpen.value = !helpOpen.value),
    settings: () => (settingsOpen.value = !settingsOpen.value),
    new: () => run('new'),
    sidebar: () => run('sidebar'),
    composer: () => (context.value.onFleet ? false : focusComposer()),
    copy: () => (context.value.onFleet ? false : run('copy')),
    stop: () => (context.value.busy ? run('stop') : false),
    delete: () => (context.value.stored ? run('delete') : false),
  }
  /** These work over an open layer too, as they open and close one. */
  const toggles: Partial<Record<ShortcutId, { value: boolean }>> = {
    palette: paletteOpen,
    help: helpOpen,
    settings: settingsOpen,
  }

  function onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.repeat) return
    const id = shortcutOf(event, isTyping(event.target))
    if (id === null) return
    const closes = toggles[id]?.value === true
    if (!closes && document.querySelector(OPEN_LAYER)) {
      // The browser's own meaning would surprise more than a key that does nothing for once.
      if (id !== 'stop' && id !== 'composer' && id !== 'delete') event.preventDefault()
      return
    }
    if (does[id]() !== false) event.preventDefault()
  }

  addEventListener('keydown', onKey)
  onScopeDispose(() => removeEventListener('keydown', onKey))
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target instanceof HTMLInputElement) return !NOT_TYPED.includes(target.type)
  return target.isContentEditable || target instanceof HTMLTextAreaElement
}

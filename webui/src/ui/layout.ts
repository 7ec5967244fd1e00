import { ref, watch } from 'vue'
import { keep, kept } from '@/ui/kept'

/** From here on (px) the sidebar stands beside the chat; below it is a sheet over it. */
const WIDE = matchMedia('(min-width: 768px)')

export const isWide = ref(WIDE.matches)
WIDE.addEventListener('change', (event) => (isWide.value = event.matches))

/** Wide windows: whether the sidebar is folded away. */
export const sidebarCollapsed = ref(kept('sidebar') === 'collapsed')
/** Phones: whether the sidebar's sheet is open. */
export const sidebarOpen = ref(false)

export const paletteOpen = ref(false)
export const helpOpen = ref(false)
export const settingsOpen = ref(false)

watch(sidebarCollapsed, (collapsed) => keep('sidebar', collapsed ? 'collapsed' : 'open'))
watch(isWide, () => (sidebarOpen.value = false))

export function toggleSidebar(): void {
  if (isWide.value) sidebarCollapsed.value = !sidebarCollapsed.value
  else sidebarOpen.value = !sidebarOpen.value
}

import { computed, ref, watch } from 'vue'
import { kept, keep } from '@/ui/kept'

export type Theme = 'light' | 'dark' | 'system'

const BAR = { light: '#ffffff', dark: '#171716' }
const system = matchMedia('(prefers-color-scheme: dark)')
const systemDark = ref(system.matches)
system.addEventListener('change', (event) => (systemDark.value = event.matches))

const saved = kept('theme')
const theme = ref<Theme>(saved === 'light' || saved === 'dark' ? saved : 'system')
const dark = computed(() => theme.value === 'dark' || (theme.value === 'system' && systemDark.value))

watch(
  dark,
  (isDark) => {
    document.documentElement.classList.toggle('dark', isDark)
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', isDark ? BAR.dark : BAR.light)
  },
  { immediate: true },
)

function setTheme(choice: Theme): void {
  theme.value = choice
  keep('theme', choice)
}

/** What was chosen, whether that is dark right now, and how to choose. */
export function useTheme() {
  return { theme, dark, setTheme }
}

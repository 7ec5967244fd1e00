import { useI18n } from 'vue-i18n'
import type { Problem } from '@/api/wire'

/** Our own words for a problem where there are some, in the reader's language; else the server's. */
export function useProblemWords(): (problem: Problem) => string {
  const { t, te } = useI18n()
  return ({ code, message }) => {
    const key = `error.${code}`
    return te(key) || te(key, 'en') ? t(key) : message || code
  }
}

import { useI18n } from 'vue-i18n'
import type { Problem } from '@/api/wire'

const HTTP = /^http_(\d+)$/

/** Codes whose own words say all that the server's sentence says. */
const SAID = new Set([
  'abandoned',
  'answer_running',
  'conversation_not_found',
  'gateway_unreachable',
  'interrupted',
  'message_not_found',
  'network',
  'not_sent',
  'out_of_memory',
  'server_restarted',
  'server_stopped',
  'stopped',
  'storage_full',
  'worker_lost',
])

/** What to say about a problem in the reader's language, whatever its code. */
export function useProblemWords(): (problem: Problem) => string {
  const { t, te } = useI18n()
  return ({ code }) => {
    const status = HTTP.exec(code)?.[1]
    if (status) return t('error.http', { status })
    return te(`error.${code}`, 'en') ? t(`error.${code}`) : t('error.other')
  }
}

/** The server's sentence, always English, where it says more: figures, names, what to do. */
export function detailOf({ code, message }: Problem): string {
  return SAID.has(code) ? '' : message
}

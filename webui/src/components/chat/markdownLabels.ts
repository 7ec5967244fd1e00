import { computed, type ComputedRef } from 'vue'
import { i18n } from '@/i18n'
import type { Labels } from '@/markdown/labels'

const { t } = i18n.global

/** One object for all answers: a new one would make each of them draw itself again. */
const labels = computed<Labels>(() => ({
  copy: t('markdown.copy'),
  copied: t('markdown.copied'),
  code: t('markdown.code'),
  image: t('markdown.image'),
  imageShow: t('markdown.imageShow'),
  imageOpens: t('markdown.imageOpens', { host: '{host}' }),
  diagramFailed: t('markdown.diagramFailed'),
  taskDone: t('markdown.taskDone'),
  taskOpen: t('markdown.taskOpen'),
  note: t('markdown.note'),
  tip: t('markdown.tip'),
  important: t('markdown.important'),
  warning: t('markdown.warning'),
  caution: t('markdown.caution'),
}))

/** The words of the markdown renderer in the reader's language. */
export const useMarkdownLabels = (): ComputedRef<Labels> => labels

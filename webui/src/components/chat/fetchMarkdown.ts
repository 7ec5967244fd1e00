import { persistent } from '@/lib/persistent'

/** The renderer of answers: one fetch for the whole page, tried again until it is there. */
export const fetchMarkdown = persistent(() => import('@/markdown/Markdown.vue'))

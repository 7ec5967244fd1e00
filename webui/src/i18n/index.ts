import { createI18n } from 'vue-i18n'
import en from '@/i18n/en'
import moreEn from '@/i18n/more.en'
import moreZh from '@/i18n/more.zh'
import zh from '@/i18n/zh'
import { keep, kept } from '@/ui/kept'

export type Language = 'en' | 'zh'

const TAGS: Record<Language, string> = { en: 'en', zh: 'zh-CN' }

function firstLanguage(): Language {
  const wanted = kept('language') ?? navigator.language ?? 'en'
  return wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

export const i18n = createI18n({
  legacy: false,
  locale: firstLanguage(),
  fallbackLocale: 'en',
  messages: { en: { ...en, ...moreEn }, zh: { ...zh, ...moreZh } },
})

document.documentElement.lang = TAGS[i18n.global.locale.value as Language]

export function setLanguage(language: Language): void {
  i18n.global.locale.value = language
  document.documentElement.lang = TAGS[language]
  keep('language', language)
}

export function language(): Language {
  return i18n.global.locale.value as Language
}

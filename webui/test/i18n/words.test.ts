import { describe, expect, it } from 'vitest'
import en from '@/i18n/en'
import moreEn from '@/i18n/more.en'
import moreZh from '@/i18n/more.zh'
import zh from '@/i18n/zh'

type Words = { [key: string]: unknown }

function texts(words: Words, path = ''): Map<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of Object.entries(words)) {
    if (typeof value === 'string') found.set(path + key, value)
    else for (const [name, text] of texts(value as Words, `${path}${key}.`)) found.set(name, text)
  }
  return found
}

const slots = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g))].sort()

describe.each([
  ['the chat', en, zh],
  ['the other pages', moreEn, moreZh],
])('words of %s', (_, english, chinese) => {
  const [left, right] = [texts(english), texts(chinese)]

  it('exist in both languages', () => {
    expect([...right.keys()].sort()).toEqual([...left.keys()].sort())
  })

  it('are filled with the same values in both', () => {
    for (const [key, text] of left) expect([key, slots(right.get(key) ?? '')]).toEqual([key, slots(text)])
  })
})

const SOURCES = import.meta.glob<string>('/src/**/*.{ts,vue}', { query: '?raw', import: 'default', eager: true })

it('are there for every key that the page names', () => {
  const known = new Set([...texts(en).keys(), ...texts(moreEn).keys()])
  const named = Object.values(SOURCES).flatMap((text) => [...text.matchAll(/\bt\('([\w.]+\w)'[,)]/g)])
  expect(named.length).toBeGreaterThan(100)
  expect(named.map(([, key]) => key).filter((key) => !known.has(key ?? ''))).toEqual([])
})

describe('top-level names', () => {
  it('of one file never hide those of the other', () => {
    expect(Object.keys(en).filter((key) => key in moreEn)).toEqual([])
  })
})

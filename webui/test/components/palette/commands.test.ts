import { describe, expect, it } from 'vitest'
import {
  available,
  COMMANDS,
  found,
  readRecent,
  used,
  type Context,
  type Entry,
} from '@/components/palette/commands'
import { newestFirst } from '@/components/palette/useFound'
import type { Conversation } from '@/api/wire'
import en from '@/i18n/more.en'
import zh from '@/i18n/more.zh'

const idle: Context = {
  stored: false,
  pinned: false,
  hasTurn: false,
  hasAnswer: false,
  busy: false,
  onFleet: false,
  theme: 'system',
  language: 'en',
}
const words: Record<string, string> = en.palette.words
const entries: Entry[] = COMMANDS.map((id) => ({
  id,
  label: en.palette.do[id],
  words: `${words[id] ?? ''} ${zh.palette.do[id]}`,
}))
const ids = (query: string, recent: string[] = []) => found(entries, query, recent).map(({ id }) => id)

describe('available', () => {
  it('offers nothing to do with a chat that is not stored yet', () => {
    const offered = available(idle)
    expect(offered).not.toContain('delete')
    expect(offered).not.toContain('markdown')
    expect(offered).not.toContain('stop')
  })
  it('offers either to stop or to answer again', () => {
    const open = { ...idle, stored: true, hasTurn: true }
    expect(available(open)).toContain('regenerate')
    expect(available({ ...open, busy: true })).toContain('stop')
    expect(available({ ...open, busy: true })).not.toContain('regenerate')
  })
  it('offers to unpin what is pinned', () => {
    const offered = available({ ...idle, stored: true, pinned: true })
    expect(offered).toContain('unpin')
    expect(offered).not.toContain('pin')
  })
  it('does not offer what is so already', () => {
    expect(available(idle)).not.toContain('system')
    expect(available(idle)).not.toContain('english')
    expect(available({ ...idle, onFleet: true })).not.toContain('fleet')
  })
})

describe('found', () => {
  it('wants every word, in any order', () => {
    expect(ids('dark theme')).toEqual(['dark'])
    expect(ids('theme zebra')).toEqual([])
  })
  it('puts the label that begins so before one that only contains it', () => {
    expect(ids('set')[0]).toBe('settings')
  })
  it('finds by synonyms and by the name in the other language', () => {
    expect(ids('download')).toEqual(['markdown', 'json'])
    expect(ids('置顶')).toContain('pin')
  })
  it('ignores case and width', () => expect(ids('ＪＳＯＮ')).toEqual(['json']))
  it('puts what was used last first among equals', () => {
    expect(ids('', ['help', 'fleet']).slice(0, 3)).toEqual(['help', 'fleet', 'new'])
    expect(ids('export', ['json'])).toEqual(['json', 'markdown'])
  })
})

it('keeps the three commands used last, each once', () => {
  expect(used(['new', 'help', 'dark'], 'help')).toEqual(['help', 'new', 'dark'])
  expect(used(['new', 'help', 'dark'], 'json')).toEqual(['json', 'new', 'help'])
})
it('drops kept commands that do not exist any more', () => {
  expect(readRecent('new teleport help')).toEqual(['new', 'help'])
  expect(readRecent(null)).toEqual([])
})
it('lists chats by time, pinned or not', () => {
  const chat = (id: string, pinned: boolean, update_time: number) =>
    ({ id, pinned, update_time }) as Conversation
  expect(newestFirst([chat('a', true, 1), chat('b', false, 2)]).map(({ id }) => id)).toEqual(['b', 'a'])
})

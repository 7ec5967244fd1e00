import { describe, expect, it } from 'vitest'
import { noSettings } from '@/api/client'
import { lastStored, requestOf, sameSettings, turnFor, type Question } from '@/chat/compose'

const question: Question = { query: 'q', conversationId: null, parentId: null, model: 'm', settings: noSettings() }

describe('a question', () => {
  it('says nothing of what is left to the model', () => {
    expect(requestOf(question)).toEqual({ query: 'q', conversation_id: '', parent_id: '', model: 'm', stream: true })
  })
  it('says what was set, zero too', () => {
    const settings = { ...noSettings(), temperature: 0, stop: ['END'], system: '' }
    expect(requestOf({ ...question, settings })).toMatchObject({ temperature: 0, stop: ['END'], system: '' })
  })
  it('follows the last turn that the server knows', () => {
    const turn = turnFor(question, 'key', [], 0)
    expect(lastStored([])).toBeUndefined()
    expect(lastStored([{ ...turn, id: 'a' }, { ...turn, id: 'b' }, turn])?.id).toBe('b')
  })
  it('stands beside its versions before it has a name', () => {
    expect(turnFor(question, 'key', ['a'], 2000)).toMatchObject({
      key: 'key', id: '', siblings: ['a', ''], phase: 'sending', create_time: 2,
    })
  })
})

describe('settings', () => {
  it('are the same where what is missing means nothing', () => {
    expect(sameSettings({}, noSettings())).toBe(true)
    expect(sameSettings({ temperature: 0 }, { temperature: null })).toBe(false)
    expect(sameSettings({ top_p: 1, seed: 2 }, { seed: 2, top_p: 1 })).toBe(true)
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { draftOf, dropDraft, keepDraft } from '@/chat/drafts'

beforeEach(() => localStorage.clear())
afterEach(() => vi.unstubAllGlobals())

describe('a draft', () => {
  it('belongs to one conversation', () => {
    keepDraft('a', 'for a')
    keepDraft(null, 'for a new one')
    expect([draftOf('a'), draftOf('b'), draftOf(null)]).toEqual(['for a', '', 'for a new one'])
  })
  it('leaves nothing behind when it is empty or dropped', () => {
    keepDraft('a', 'x')
    keepDraft('b', 'x')
    keepDraft('a', '')
    dropDraft('b')
    expect(localStorage.length).toBe(0)
  })
  it('does without storage where there is none', () => {
    const refuse = (): never => {
      throw new DOMException('no', 'SecurityError')
    }
    vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse, removeItem: refuse })
    expect(() => keepDraft('a', 'x')).not.toThrow()
    expect(draftOf('a')).toBe('')
  })
})

import { describe, expect, it } from 'vitest'
import { noSettings } from '@/api/client'
import { turnFor } from '@/chat/compose'
import type { Turn } from '@/chat/turn'
import type { AnswerEvent } from '@/stream/events'
import { fold } from '@/stream/fold'
import { CONVERSATION, ID } from './helpers'

const start = (): Turn =>
  turnFor({ query: 'q', conversationId: null, parentId: null, model: 'm', settings: noSettings() }, 'key', ['s'], 0)
const after = (...events: AnswerEvent[]): Turn => events.reduce(fold, start())

const opened: AnswerEvent = { kind: 'opened', messageId: ID, conversationId: CONVERSATION }
const text: AnswerEvent = { kind: 'text', text: 'hé😀', end: 3 }
const done = (finish_reason: 'stop' | 'stopped'): AnswerEvent => ({
  kind: 'done',
  frame: {
    message_id: ID, conversation_id: CONVERSATION, conversation_name: '', finish_reason,
    usage: { prompt_tokens: 1, completion_tokens: 40, total_tokens: 41 },
    left_out: { turns: 1, tokens: 9 }, first_token_s: 0.2, duration_s: 2,
  },
})
const error: AnswerEvent = { kind: 'error', frame: { message_id: ID, code: 'x', message: 'y' } }

describe('a turn', () => {
  it('gets its ids when the question is stored, and keeps its key', () => {
    expect(after(opened)).toMatchObject({ key: 'key', id: ID, conversation_id: CONVERSATION, phase: 'waiting', siblings: ['s', ID] })
  })
  it('does not take the same text twice', () => {
    expect(after(opened, text, text)).toMatchObject({ text: 'hé😀', length: 3, phase: 'streaming' })
  })
  it('shows its place in the queue until it has left it', () => {
    const queued = after(opened, { kind: 'queue', position: 3, reason: 'queue' })
    expect(queued).toMatchObject({ phase: 'queued', position: 3 })
    expect(fold(queued, { kind: 'queue', position: 0, reason: 'queue' })).toMatchObject({ phase: 'waiting', position: undefined })
  })
  it('says that the way to the model is being found again', () => {
    const lost = after(opened, text, { kind: 'queue', position: 1, reason: 'recovering' })
    expect(lost.phase).toBe('recovering')
    expect(fold(lost, { kind: 'text', text: 'x', end: 4 })).toMatchObject({ phase: 'streaming', text: 'hé😀x' })
  })
  it('says that a worker is waited for', () => {
    const unserved = after(opened, { kind: 'queue', position: 0, reason: 'waiting' })
    expect(unserved.phase).toBe('unserved')
    expect(fold(unserved, { kind: 'queue', position: 2, reason: 'queue' })).toMatchObject({ phase: 'queued' })
  })
  it('says that its model is being loaded, and how far', () => {
    const loading = after(opened, { kind: 'queue', position: 0, reason: 'loading' })
    expect(loading).toMatchObject({ phase: 'loading', loaded: undefined })
    const half = fold(loading, { kind: 'queue', position: 0, reason: 'loading', done: 0.5 })
    expect(half).toMatchObject({ phase: 'loading', loaded: 0.5 })
    expect(fold(half, { kind: 'queue', position: 0, reason: 'queue' }).phase).toBe('waiting')
    expect(fold(half, { kind: 'text', text: 'x', end: 1 })).toMatchObject({ phase: 'streaming', text: 'x' })
  })
  it('tells no speed where the time of finding the way again is in it', () => {
    const end = after(opened, text, { kind: 'queue', position: 1, reason: 'recovering' }, done('stop'))
    expect(end.status).toBe('complete')
    expect(end.tokensPerSecond).toBeUndefined()
  })
  it('counts the tries of a lost connection until it is back', () => {
    const lost = after(opened, { kind: 'reconnecting', attempt: 2 })
    expect(lost.reconnecting).toBe(2)
    expect(fold(lost, { kind: 'connected' }).reconnecting).toBeUndefined()
  })
  it('is complete with its figures', () => {
    expect(after(opened, text, done('stop'))).toMatchObject({
      phase: 'done', status: 'complete', response: 'hé😀', tokensPerSecond: 20, left_out: { turns: 1, tokens: 9 },
    })
  })
  it('keeps its partial text when it was stopped or broken', () => {
    expect(after(opened, text, done('stopped'))).toMatchObject({ status: 'stopped', text: 'hé😀' })
    expect(after(opened, text, error)).toMatchObject({ status: 'interrupted', text: 'hé😀', error: { code: 'x' } })
    expect(after(opened, error)).toMatchObject({ status: 'failed', text: '' })
  })
  it('never changes after its end', () => {
    const end = after(opened, text, done('stop'))
    expect(fold(end, error)).toBe(end)
  })
})

/** Things that happen at once. */

import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { useConversations } from '@/chat/conversations'
import { draftOf } from '@/chat/drafts'
import { useThread } from '@/chat/thread'
import { conversation, FakeServer, held, id, message, settled } from './server'
import { refusal } from '../stream/helpers'

let server: FakeServer

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  server = new FakeServer()
  server.install()
  server.rows = [conversation(100), conversation(200, { model: 'other' })]
  server.branch = [message(1), message(2, { parent_id: id(1) })]
})

const queries = (): string[] => useThread().turns.map((turn) => turn.query)
const messages = (...items: ReturnType<typeof message>[]): Response =>
  Response.json({ items, leaf_id: items.at(-1)?.id ?? null, more: false })

describe('another conversation opened quickly', () => {
  it('is not overwritten by what comes late of the first', async () => {
    const thread = useThread()
    const late = held()
    server.reply = (call) => {
      if (call === `GET /api/conversations/${id(100)}/messages?limit=50`) return late.reply
      if (call.includes(`${id(200)}/messages`)) return messages(message(9, { conversation_id: id(200) }))
      return undefined
    }
    const first = thread.open(id(100))
    await thread.open(id(200))
    late.give(messages(message(1)))
    await first
    expect([thread.id, thread.model, queries()]).toEqual([id(200), 'other', ['question 9']])
    expect(thread.loading).toBe(false)
  })
  it('does not get the failure of the first', async () => {
    const thread = useThread()
    const late = held()
    server.reply = (call) => (call.includes(`${id(100)}/messages`) ? late.reply : undefined)
    const first = thread.open(id(100))
    await thread.open(id(200))
    late.give(refusal(500, 'internal_error'))
    await first
    expect(thread.problem).toBeNull()
  })
  it('does not get the text that streams in the first', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.send('asked in the first')
    await settled()
    server.branch = [message(9, { conversation_id: id(200) })]
    await thread.open(id(200))
    server.streams[0]!.text('late', 4)
    server.streams[0]!.done(4)
    await settled()
    expect(queries()).toEqual(['question 9'])
  })
  it('takes no question before it is there', async () => {
    const thread = useThread()
    const late = held()
    server.reply = (call) => (call.includes(`${id(100)}/messages`) ? late.reply : undefined)
    const opened = thread.open(id(100))
    expect(thread.send('too soon')).toBe(false)
    late.give(refusal(500, 'internal_error'))
    await opened
    expect(thread.send('to what?')).toBe(false)
    expect(server.streams).toEqual([])
  })
  it('leaves a choice made a moment ago with the first', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.model = 'chosen'
    await thread.open(id(200))
    await settled()
    expect(server.calls).toContain(`PATCH /api/conversations/${id(100)}`)
    expect(server.changes).toMatchObject([{ model: 'chosen' }])
    expect(thread.model).toBe('other')
  })
})

describe('a conversation that is deleted while its answer streams', () => {
  it('keeps what is shown, says so once, and is not asked for again and again', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.send('next')
    await settled()
    server.streams[0]!.text('half', 4)
    server.streams[0]!.done(4, 'stopped')
    server.reply = (call) => (call.includes(id(100)) ? refusal(404, 'not_found') : undefined)
    await settled()
    await thread.refresh()
    expect(thread.turns.at(-1)).toMatchObject({ phase: 'done', status: 'stopped', text: 'half' })
    const problem = thread.problem
    expect(problem).toMatchObject({ code: 'not_found' })
    const calls = server.calls.length
    for (let round = 0; round < 5; round++) await thread.refresh()
    expect(thread.problem).toBe(problem)
    expect(server.calls.length).toBe(calls)
  })
  it('does not come back to the list with the end of its answer', async () => {
    const [thread, list] = [useThread(), useConversations()]
    await list.load()
    await thread.open(id(100))
    thread.send('next')
    await settled()
    await list.remove(id(100))
    await thread.open(null)
    server.streams[0]!.done(0, 'stopped')
    await settled()
    expect(list.items.map((item) => item.id)).toEqual([id(200)])
    expect(thread.turns).toEqual([])
  })
  it('ends a new one too, whose row was not there yet', async () => {
    const [thread, list] = [useThread(), useConversations()]
    const late = held()
    server.reply = (call) => (call === `GET /api/conversations/${id(100)}` ? late.reply : undefined)
    thread.send('first')
    await settled()
    const removed = list.remove(id(100))
    late.give(Response.json(conversation(100)))
    await removed
    await settled()
    expect(list.items.some((item) => item.id === id(100))).toBe(false)
  })
})

describe('two tabs that ask at once', () => {
  it('each keep their own answer, and tell of the other', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.send('mine')
    await settled()
    const siblings = [id(50), id(60)]
    server.branch = [...server.branch, message(60, { parent_id: id(2), query: 'theirs', status: 'running', response: '', siblings })]
    await thread.refresh()
    expect(queries()).toEqual(['question 1', 'question 2', 'mine'])
    server.streams[0]!.text('for me', 6)
    server.streams[0]!.done(6)
    await settled()
    await thread.refresh()
    expect(thread.turns.at(-1)).toMatchObject({ text: 'for me', status: 'complete', siblings })
    expect(server.streams.length).toBe(1)
  })
  it('lose no question when the server takes only one', async () => {
    const thread = useThread()
    await thread.open(id(100))
    server.reply = (call) => (call === 'POST /api/chat' ? refusal(409, 'answer_running') : undefined)
    thread.send('mine')
    await settled()
    server.branch = [...server.branch, message(60, { parent_id: id(2), query: 'theirs' })]
    await thread.refresh()
    expect(thread.turns.at(-1)).toMatchObject({ query: 'mine', status: 'failed', error: { code: 'answer_running' } })
    server.reply = () => undefined
    thread.retry(thread.turns.at(-1)!.key)
    await settled()
    expect(server.streams[0]!.body).toMatchObject({ query: 'mine', parent_id: id(2) })
  })
})

describe('an answer stopped before the server has said a word', () => {
  it('is stopped as soon as it has a name', async () => {
    const thread = useThread()
    await thread.open(id(100))
    const late = held()
    server.reply = (call) => (call === 'POST /api/chat' ? late.reply : undefined)
    thread.send('never mind')
    await thread.stop()
    await thread.stop()
    expect(thread.turns.at(-1)).toMatchObject({ phase: 'sending', stopping: true })
    server.stopped = () => message(50, { parent_id: id(2), status: 'stopped', response: '', query: 'never mind' })
    const headers = { 'x-message-id': id(50), 'x-conversation-id': id(100) }
    late.give(new Response(new ReadableStream(), { headers }))
    await settled()
    expect(server.calls.filter((call) => call.endsWith('/stop'))).toEqual([`POST /api/chat/${id(50)}/stop`])
    expect(thread.turns.at(-1)).toMatchObject({ phase: 'done', status: 'stopped' })
    expect(thread.busy).toBe(false)
  })
  it('gives the question back when nobody answers at all, to be asked again under the same key', async () => {
    const thread = useThread()
    await thread.open(id(100))
    server.isOffline = true
    thread.send('to nobody')
    await settled()
    await thread.stop()
    expect(thread.turns.at(-1)).toMatchObject({ phase: 'done', status: 'failed', error: { code: 'not_sent' } })
    server.isOffline = false
    const key = thread.turns.at(-1)!.key
    thread.retry(key)
    expect(thread.busy).toBe(true)
    await settled()
    server.streams[0]!.text('here', 4)
    await settled()
    expect(server.streams.length).toBe(1)
    expect(server.streams[0]!.key).toBe(key)
    expect(thread.turns.at(-1)).toMatchObject({ text: 'here', phase: 'streaming' })
    server.stopped = () => message(50, { parent_id: id(2), status: 'stopped', response: 'here' })
    await thread.stop()
    expect(thread.turns.at(-1)).toMatchObject({ status: 'stopped', text: 'here' })
  })
  it('is asked again under another key when its settings are others now', async () => {
    const thread = useThread()
    await thread.open(id(100))
    server.isOffline = true
    thread.send('to nobody')
    await settled()
    await thread.stop()
    const key = thread.turns.at(-1)!.key
    server.isOffline = false
    thread.settings = { ...thread.settings, temperature: 0.5 }
    thread.retry(key)
    await settled()
    expect(server.streams[0]!.key).not.toBe(key)
  })
})

describe('a branch that is left while its answer streams', () => {
  it('does not ask the server again with every word, nor take the reader back', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.regenerate(id(2))
    await settled()
    await thread.goTo(id(2))
    const calls = server.calls.length
    for (let end = 1; end <= 6; end++) {
      server.streams[0]!.text('x', end)
      await settled(25)
    }
    expect(queries()).toEqual(['question 1', 'question 2'])
    expect(server.calls.length - calls).toBeLessThanOrEqual(2)
  })
  it('shows an answer that was asked for here and not stored when its chat was opened again', async () => {
    const thread = useThread()
    await thread.open(id(100))
    const late = held()
    server.reply = (call) => (call === 'POST /api/chat' ? late.reply : undefined)
    thread.regenerate(id(2))
    await thread.open(null)
    await thread.open(id(100))
    expect(queries()).toEqual(['question 1', 'question 2'])
    server.branch = [message(1), message(50, { parent_id: id(1), query: 'question 2', status: 'running', response: '', siblings: [id(2), id(50)] })]
    const headers = { 'x-message-id': id(50), 'x-conversation-id': id(100) }
    late.give(new Response(new ReadableStream(), { headers }))
    await settled()
    expect(thread.turns.at(-1)).toMatchObject({ id: id(50), phase: 'waiting' })
  })
})

describe('a question that failed', () => {
  it('is in the message field when its conversation is opened again', async () => {
    const thread = useThread()
    await thread.open(id(100))
    server.reply = (call) => (call === 'POST /api/chat' ? refusal(413, 'request_too_large') : undefined)
    thread.send('so long')
    await settled()
    await thread.open(id(200))
    expect(draftOf(id(100))).toBe('so long')
  })
  it('does not replace what is written there', async () => {
    const thread = useThread()
    await thread.open(id(100))
    server.reply = (call) => (call === 'POST /api/chat' ? refusal(413, 'request_too_large') : undefined)
    thread.send('so long')
    await settled()
    localStorage.setItem(`shortline.draft.${id(100)}`, 'the next one')
    await thread.open(null)
    expect(draftOf(id(100))).toBe('the next one')
  })
})

import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { useThread } from '@/chat/thread'
import { conversation, FakeServer, id, message, settled } from './server'

let server: FakeServer

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  server = new FakeServer()
  server.install()
})

describe('a new conversation', () => {
  it('shows the question at once, gets its ids from the response and its text from the stream', async () => {
    const thread = useThread()
    expect(thread.send('  hello ')).toBe(true)
    expect(thread.turns[0]).toMatchObject({ query: 'hello', phase: 'sending', id: '' })
    const key = thread.turns[0]!.key
    await settled()
    expect(thread.id).toBe(id(100))
    expect(thread.turns[0]).toMatchObject({ key, id: id(50), phase: 'waiting' })
    server.streams[0]!.text('Hi', 2)
    await settled()
    expect(thread.turns[0]).toMatchObject({ text: 'Hi', phase: 'streaming' })
    expect(thread.busy).toBe(true)
    server.streams[0]!.done(2)
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'done', status: 'complete', tokensPerSecond: 20 })
    expect(thread.busy).toBe(false)
    expect(server.streams[0]).toMatchObject({ key, body: { query: 'hello', parent_id: '', conversation_id: '' } })
  })
})

describe('a conversation that is not there', () => {
  it('is asked for once', async () => {
    server.reply = () => new Response('{}', { status: 404 })
    const thread = useThread()
    await thread.open(id(100))
    expect(thread.problem?.code).toBe('http_404')
    expect(server.calls).toEqual([`GET /api/conversations/${id(100)}`])
  })
})

describe('an open conversation', () => {
  beforeEach(() => {
    server.rows = [conversation(100)]
    server.branch = [message(1), message(2, { parent_id: id(1) })]
  })

  it('asks after the last message and refuses a second question meanwhile', async () => {
    const thread = useThread()
    await thread.open(id(100))
    expect(thread.turns.map((turn) => turn.text)).toEqual(['answer 1', 'answer 2'])
    thread.send('next')
    expect(thread.send('too soon')).toBe(false)
    await settled()
    expect(server.streams[0]!.body).toMatchObject({ parent_id: id(2), conversation_id: id(100), query: 'next' })
  })

  it('puts another version of an answer beside it', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.edit(id(1), 'better')
    expect(thread.turns.map((turn) => turn.query)).toEqual(['better'])
    await settled()
    expect(server.streams[0]!.body).toMatchObject({ parent_id: '', query: 'better' })
    expect(thread.turns[0]!.siblings).toEqual([id(1), id(50)])
  })

  it('follows an answer that began elsewhere from what is stored of it', async () => {
    server.branch = [message(1, { status: 'running', response: 'sto' })]
    const thread = useThread()
    await thread.open(id(100))
    await settled()
    expect(server.calls).toContain(`GET /api/chat/${id(1)}/events`)
    server.streams[0]!.text('stored', 6)
    server.streams[0]!.done(6)
    await settled()
    expect(thread.turns[0]).toMatchObject({ text: 'stored', status: 'complete' })
  })

  it('goes on streaming while another one is open', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.send('next')
    await settled()
    await thread.open(null)
    expect(thread.turns).toEqual([])
    server.streams[0]!.text('abc', 3)
    await settled()
    server.branch = [...server.branch, message(50, { parent_id: id(2), status: 'running', response: '' })]
    await thread.open(id(100))
    expect(thread.turns.at(-1)).toMatchObject({ id: id(50), text: 'abc', phase: 'streaming' })
    expect(server.streams.length).toBe(1)
  })

  it('takes a message from another tab, and keeps what did not change as it is', async () => {
    const thread = useThread()
    await thread.open(id(100))
    const before = thread.turns
    await thread.refresh()
    expect(thread.turns).toBe(before)
    server.branch = [...server.branch, message(3, { parent_id: id(2) })]
    await thread.refresh()
    expect(thread.turns.length).toBe(3)
    expect(thread.turns[0]).toBe(before[0])
  })

  it('stops when the server says so, with what there is', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.send('next')
    await settled()
    server.streams[0]!.text('part', 4)
    await settled()
    server.stopped = () => message(50, { parent_id: id(2), status: 'stopped', response: 'part' })
    await thread.stop()
    expect(server.calls).toContain(`POST /api/chat/${id(50)}/stop`)
    expect(thread.turns.at(-1)).toMatchObject({ phase: 'done', status: 'stopped', text: 'part' })
  })

  it('survives a cut', async () => {
    const thread = useThread()
    await thread.open(id(100))
    thread.send('next')
    await settled()
    server.streams[0]!.text('one ', 4)
    await settled()
    server.streams[0]!.cut()
    await settled()
    expect(thread.turns.at(-1)!.reconnecting).toBe(1)
    window.dispatchEvent(new Event('online'))
    await settled()
    server.streams[1]!.text('two', 7)
    server.streams[1]!.done(7)
    await settled()
    expect(thread.turns.at(-1)).toMatchObject({ text: 'one two', status: 'complete' })
  })

  it('loads what is above without losing its place', async () => {
    server.more = true
    const thread = useThread()
    await thread.open(id(100))
    server.branch = [message(7), message(8, { parent_id: id(7) })]
    server.more = false
    await thread.loadOlder()
    expect(thread.turns.map((turn) => turn.id)).toEqual([id(7), id(8), id(1), id(2)])
    expect(thread.more).toBe(false)
  })
})

/** What the server can say instead of an answer. */

import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { useThread } from '@/chat/thread'
import { conversation, FakeServer, id, message, settled } from './server'
import { refusal } from '../stream/helpers'

let server: FakeServer
const running = (response: string) => message(1, { status: 'running', response })

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  server = new FakeServer()
  server.install()
  server.rows = [conversation(100)]
})

const refuse = (wanted: string, status: number, code: string, headers = {}): void => {
  server.reply = (call) => (call.includes(wanted) ? refusal(status, code, headers) : undefined)
}

describe('a question that is refused', () => {
  it.each([
    [401, 'invalid_api_key'], [409, 'answer_running'], [422, 'idempotency_key_reused'], [429, 'overloaded'],
    [507, 'storage_full'],
  ])('with %i %s says so at once, and can be asked again', async (status, code) => {
    server.branch = [message(1)]
    const thread = useThread()
    await thread.open(id(100))
    refuse('POST /api/chat', status, code, { 'retry-after': '7' })
    thread.send('next')
    await settled()
    const failed = thread.turns.at(-1)!
    expect(failed).toMatchObject({ phase: 'done', status: 'failed', error: { code, message: `it is ${code}` } })
    expect(thread.busy).toBe(false)
    server.reply = () => undefined
    thread.retry(failed.key)
    await settled()
    server.streams[0]!.text('now', 3)
    server.streams[0]!.done(3)
    await settled()
    expect(thread.turns.length).toBe(2)
    expect(thread.turns.at(-1)).toMatchObject({ query: 'next', text: 'now', status: 'complete', error: null })
  })
  it('because there are too many streams is sent again until one is free', async () => {
    const thread = useThread()
    refuse('POST /api/chat', 503, 'too_many_streams')
    thread.send('next')
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'sending', reconnecting: 1 })
    server.reply = () => undefined
    window.dispatchEvent(new Event('online'))
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'waiting', reconnecting: undefined })
    const posts = server.calls.filter((call) => call.startsWith('POST'))
    expect(posts.length).toBe(2)
  })
})

describe('an answer that nobody may listen to any more', () => {
  it.each([[401, 'invalid_api_key'], [404, 'not_found'], [403, 'http_403']])('shows what is stored after a %i', async (status, code) => {
    server.branch = [running('half')]
    refuse('/events', status, code)
    const thread = useThread()
    await thread.open(id(100))
    server.branch = [message(1, { response: 'half and half' })]
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'done', status: 'complete', text: 'half and half' })
    const reads = server.calls.filter((call) => call.includes('/messages'))
    expect(reads.length).toBe(2)
    expect(server.calls.filter((call) => call.includes('/events')).length).toBe(1)
  })
  it('is shown as interrupted where it only ever runs', async () => {
    server.branch = [running('half')]
    refuse('/events', 404, 'not_found')
    const thread = useThread()
    await thread.open(id(100))
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'done', status: 'interrupted', text: 'half', error: { code: 'not_found' } })
    await thread.refresh()
    await settled()
    expect(thread.busy).toBe(false)
    expect(server.calls.filter((call) => call.includes('/events')).length).toBe(1)
  })
  it('does not hang where nothing can be read at all, as after a logout', async () => {
    server.branch = [running('half')]
    const thread = useThread()
    await thread.open(id(100))
    await settled()
    server.reply = () => refusal(401, 'invalid_api_key')
    server.streams[0]!.cut()
    await settled()
    window.dispatchEvent(new Event('online'))
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'done', status: 'interrupted', text: 'half', error: { code: 'invalid_api_key' } })
    await thread.refresh()
    expect(thread.turns.length).toBe(1)
    expect(thread.problem).toBeNull()
    const calls = server.calls.length
    await settled(400)
    expect(server.calls.length).toBe(calls)
  })
  it('waits where there are only too many streams', async () => {
    server.branch = [running('half')]
    refuse('/events', 503, 'too_many_streams')
    const thread = useThread()
    await thread.open(id(100))
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'streaming', reconnecting: 1 })
    server.reply = () => undefined
    window.dispatchEvent(new Event('online'))
    await settled()
    server.streams[0]!.text(' more', 9)
    server.streams[0]!.done(9)
    await settled()
    expect(thread.turns[0]).toMatchObject({ text: 'half more', status: 'complete' })
  })
})

describe('a server that has lost an answer in a crash', () => {
  it('leaves what was seen before the reader, with the reason, until the page is loaded again', async () => {
    server.branch = [running('')]
    const thread = useThread()
    await thread.open(id(100))
    await settled()
    server.streams[0]!.text('all that was seen', 17)
    await settled()
    server.streams[0]!.cut()
    await settled()
    window.dispatchEvent(new Event('online'))
    await settled()
    server.streams[1]!.error('server_restarted', 8)
    server.branch = [message(1, { status: 'interrupted', response: 'all that', error: { code: 'server_restarted', message: '' } })]
    await settled()
    await thread.refresh()
    expect(thread.turns[0]).toMatchObject({ phase: 'done', status: 'interrupted', text: 'all that was seen', error: { code: 'server_restarted' } })
    setActivePinia(createPinia())
    const reloaded = useThread()
    await reloaded.open(id(100))
    expect(reloaded.turns[0]).toMatchObject({ status: 'interrupted', text: 'all that' })
  })
  it.each([['half', 'interrupted'], ['', 'failed']])('ends one that is stored as running with %j: it is %s, and can be tried again', async (text, status) => {
    server.branch = [running(text)]
    const thread = useThread()
    await thread.open(id(100))
    await settled()
    server.streams[0]!.error('interrupted', text.length)
    await settled()
    expect(thread.turns[0]).toMatchObject({ phase: 'done', status, text, error: { code: 'interrupted' } })
    await thread.refresh()
    await settled()
    expect(server.streams.length).toBe(1)
    thread.retry(id(1))
    await settled()
    expect(server.streams[1]!.body).toMatchObject({ query: 'question 1', parent_id: '' })
    expect(thread.turns[0]!.siblings).toEqual([id(1), id(50)])
  })
})

describe('a page that cannot be read', () => {
  beforeEach(async () => {
    server.branch = [message(1)]
    server.more = true
    await useThread().open(id(100))
  })

  it.each(['loadOlder', 'goTo'] as const)('by %s leaves the turns where they are, with the reason beside them', async (way) => {
    const thread = useThread()
    const before = thread.turns
    server.reply = () => refusal(503, 'unavailable')
    await (way === 'goTo' ? thread.goTo(id(9)) : thread.loadOlder())
    expect(thread.turns).toBe(before)
    expect([thread.problem?.code, thread.loading]).toEqual(['unavailable', false])
    server.reply = () => undefined
    await (way === 'goTo' ? thread.goTo(id(1)) : thread.loadOlder())
    expect(thread.problem).toBeNull()
  })
})

import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { ApiError } from '@/api/client'
import { useConversations } from '@/chat/conversations'
import { draftOf, keepDraft } from '@/chat/drafts'
import { conversation, FakeServer, held, id, settled } from './server'
import { refusal } from '../stream/helpers'

let server: FakeServer

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  server = new FakeServer()
  server.rows = [conversation(3), conversation(2), conversation(1)]
  server.install()
})
afterEach(() => void vi.useRealTimers())

const page = (numbers: number[], next_cursor: string | null = null): Response =>
  Response.json({ items: numbers.map((n) => conversation(n)), next_cursor })
const shown = (): number[] => useConversations().items.map((item) => parseInt(item.id, 16))

describe('the list', () => {
  it('grows page by page without doubles', async () => {
    const list = useConversations()
    const pages = [page([9, 8], 'c1'), page([8, 7], null)]
    server.reply = () => pages.shift()
    await list.load()
    expect([shown(), list.more]).toEqual([[9, 8], true])
    await list.loadMore()
    expect([shown(), list.more]).toEqual([[9, 8, 7], false])
    expect(server.calls[1]).toContain('cursor=c1')
  })
  it('keeps its further pages when the first is read again', async () => {
    const list = useConversations()
    const pages = [page([9, 8], 'c1'), page([7, 6], 'c2'), page([10, 9], 'c3'), page([5])]
    server.reply = () => pages.shift()
    await list.load()
    await list.loadMore()
    await list.refresh()
    expect(shown()).toEqual([10, 9, 8, 7, 6])
    await list.loadMore()
    expect(server.calls.at(-1)).toContain('cursor=c2')
  })
  it('shows the last search, however late the one before is answered', async () => {
    const list = useConversations()
    const [slow, fast] = [held(), held()]
    server.reply = (call) => (call.includes('q=b') ? fast.reply : slow.reply)
    list.search = 'a'
    const first = list.load()
    list.search = 'b'
    const second = list.load()
    fast.give(page([2]))
    await second
    slow.give(page([1]))
    await first
    expect(shown()).toEqual([2])
    expect(list.loading).toBe(false)
  })
  it('waits until the reader has typed', async () => {
    vi.useFakeTimers()
    const list = useConversations()
    for (const text of ['s', 'se', 'sea']) {
      list.search = text
      await nextTick()
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(server.calls).toEqual([])
    await vi.advanceTimersByTimeAsync(250)
    expect(server.calls).toEqual(['GET /api/conversations?limit=50&q=sea'])
  })
  it('keeps what it shows when the server cannot be reached, and says so until it can', async () => {
    const list = useConversations()
    await list.load()
    server.isOffline = true
    await list.refresh()
    expect([shown(), list.problem?.code]).toEqual([[3, 2, 1], 'network'])
    server.isOffline = false
    await list.refresh()
    expect(list.problem).toBeNull()
  })
  it.each([401, 503])('keeps what it shows after a %i', async (status) => {
    const list = useConversations()
    await list.load()
    server.reply = () => refusal(status, 'no')
    await list.refresh()
    expect([shown(), list.problem?.code]).toEqual([[3, 2, 1], 'no'])
  })
})

describe('a change', () => {
  beforeEach(() => useConversations().load())

  it('shows at once, in its new place', async () => {
    const list = useConversations()
    server.rows = server.rows.map((row) => (row.id === id(1) ? { ...row, pinned: true } : row))
    const done = list.pin(id(1), true)
    expect(shown()).toEqual([1, 3, 2])
    await done
    expect(shown()).toEqual([1, 3, 2])
    expect(server.changes).toEqual([{ pinned: true }])
  })
  it('is taken back when it is refused, and nothing else with it', async () => {
    const list = useConversations()
    const answer = held()
    server.reply = (call) => (call.startsWith('PATCH') ? answer.reply : undefined)
    const done = list.rename(id(2), 'new name')
    expect(list.items[1]!.name).toBe('new name')
    list.patch(id(2), { running: true })
    answer.give(refusal(500, 'internal_error'))
    await expect(done).rejects.toBeInstanceOf(ApiError)
    expect(list.items[1]).toMatchObject({ name: 'name 2', running: true })
  })
  it('is not undone by a look at the list that began before it', async () => {
    const list = useConversations()
    const old = held()
    server.reply = (call) => (call.startsWith('GET /api/conversations?') ? old.reply : undefined)
    const look = list.refresh()
    list.patch(id(2), { name: 'newer' })
    old.give(page([3, 2, 1]))
    await look
    expect(list.items[1]!.name).toBe('newer')
  })
  it('keeps where a search has found its words', async () => {
    const list = useConversations()
    list.patch(id(2), { excerpt: 'found here' })
    await list.pin(id(2), true)
    expect(list.items.find((item) => item.id === id(2))?.excerpt).toBe('found here')
  })
  it('does not bring what is new into a search', () => {
    const list = useConversations()
    list.search = 'x'
    list.upsert(conversation(77))
    expect(shown()).toEqual([3, 2, 1])
  })
})

describe('a conversation that is deleted', () => {
  beforeEach(() => useConversations().load())

  it('does not come back with a look at the list meanwhile, nor with its answer', async () => {
    const list = useConversations()
    const answer = held()
    server.reply = (call) => (call.startsWith('DELETE') ? answer.reply : undefined)
    const done = list.remove(id(2))
    await list.refresh()
    list.upsert(conversation(2))
    expect(shown()).toEqual([3, 1])
    answer.give(new Response(null, { status: 204 }))
    await done
    expect(shown()).toEqual([3, 1])
  })
  it('leaves no draft behind', async () => {
    keepDraft(id(2), 'text')
    await useConversations().remove(id(2))
    expect(draftOf(id(2))).toBe('')
  })
  it('is gone where somebody was faster', async () => {
    server.reply = (call) => (call.startsWith('DELETE') ? refusal(404, 'not_found') : undefined)
    await useConversations().remove(id(2))
    expect(shown()).toEqual([3, 1])
  })
  it('is back when the server refuses, and stays back', async () => {
    server.reply = (call) => (call.startsWith('DELETE') ? refusal(503, 'unavailable') : undefined)
    await expect(useConversations().remove(id(2))).rejects.toBeInstanceOf(ApiError)
    expect(shown()).toEqual([3, 2, 1])
    await useConversations().refresh()
    await settled()
    expect(shown()).toEqual([3, 2, 1])
  })
})

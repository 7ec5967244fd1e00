import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick, type EffectScope } from 'vue'
import { useConversations } from '@/chat/conversations'
import { useSync } from '@/chat/sync'
import { useThread } from '@/chat/thread'
import { conversation, FakeServer, id, message } from './server'
import { refusal } from '../stream/helpers'

let server: FakeServer
let scope: EffectScope
const heard = vi.hoisted(() => new Set<(conversationId: string) => void>())
vi.mock('@/chat/channel', () => ({
  announce: () => undefined,
  hear: (hearer: (conversationId: string) => void) => {
    heard.add(hearer)
    return () => heard.delete(hearer)
  },
}))

beforeEach(async () => {
  localStorage.clear()
  vi.useFakeTimers()
  setActivePinia(createPinia())
  server = new FakeServer()
  server.rows = [conversation(100), conversation(200)]
  server.branch = [message(1)]
  server.install()
  await useConversations().load()
  await useThread().open(id(100))
  scope = effectScope()
  scope.run(useSync)
  server.calls = []
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
})

const look = (): Promise<unknown> => vi.advanceTimersByTimeAsync(5000)
const reads = (): string[] => server.calls.filter((call) => call.includes('/messages'))

describe('keeping in step', () => {
  it('reads the messages only when the list says that there is news', async () => {
    await look()
    expect(server.calls).toEqual(['GET /api/conversations?limit=50'])
    server.rows = [conversation(100, { update_time: 999 }), conversation(200)]
    server.branch = [message(1), message(2, { parent_id: id(1) })]
    await look()
    expect(useThread().turns.length).toBe(2)
    await look()
    expect(reads().length).toBe(1)
  })
  it('reads at once what another tab tells of, if it is open here', async () => {
    for (const hearer of heard) hearer(id(200))
    await vi.advanceTimersByTimeAsync(0)
    expect(reads()).toEqual([])
    for (const hearer of heard) hearer(id(100))
    await vi.advanceTimersByTimeAsync(0)
    expect(reads().length).toBe(1)
  })
  it('shows a name given elsewhere in the open conversation', async () => {
    useConversations().patch(id(100), { name: 'given elsewhere', pinned: true })
    await nextTick()
    expect(useThread().conversation).toMatchObject({ name: 'given elsewhere', pinned: true })
  })
  it('asks once after a conversation that is gone', async () => {
    server.rows = [conversation(200)]
    server.reply = (call) => (call.includes(id(100)) ? refusal(404, 'not_found') : undefined)
    for (let round = 0; round < 4; round++) await look()
    expect(useThread().problem?.code).toBe('not_found')
    expect(useThread().turns.length).toBe(1)
    expect(reads().length).toBe(1)
  })
  it('ends with the page', async () => {
    scope.stop()
    for (let round = 0; round < 4; round++) await look()
    expect(server.calls).toEqual([])
    expect(heard.size).toBe(0)
  })
})

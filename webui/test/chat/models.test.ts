import { createPinia, disposePinia, setActivePinia, type Pinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ModelState } from '@/api/wire'
import { useModels } from '@/chat/models'

const model = (id: string, state: ModelState['state']): ModelState => ({
  id, state, context_length: null, workers: 1, in_flight: 0, waiting: 0, detail: '',
})
let pinia: Pinia
let items: ModelState[]
let isOffline: boolean
let calls: number

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia((pinia = createPinia()))
  items = [model('m', 'loading')]
  isOffline = false
  calls = 0
  vi.stubGlobal('fetch', async () => {
    calls++
    if (isOffline) throw new TypeError('network error')
    return Response.json({ items })
  })
})
afterEach(() => {
  disposePinia(pinia)
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the models', () => {
  it('are not known before the server has named them', async () => {
    const models = useModels()
    expect([models.known, models.stateOf('m')]).toEqual([false, null])
    await models.load()
    expect([models.known, models.stateOf('m')?.state, models.stateOf('other')]).toEqual([true, 'loading', null])
  })
  it('are looked at every 10 s', async () => {
    const models = useModels()
    await models.load()
    items = [model('m', 'ready')]
    await vi.advanceTimersByTimeAsync(10_000)
    expect(models.stateOf('m')?.state).toBe('ready')
    expect(calls).toBe(2)
  })
  it('stay as they were last while the server cannot be reached', async () => {
    const models = useModels()
    await models.load()
    isOffline = true
    await vi.advanceTimersByTimeAsync(20_000)
    expect(calls).toBe(3)
    expect(models.stateOf('m')?.state).toBe('loading')
  })
  it('are looked at no more when the page is gone', async () => {
    useModels()
    disposePinia(pinia)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls).toBe(0)
  })
})

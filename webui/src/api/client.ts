/** The requests of this page that are not streams. */

import { PAGE } from '@/api/wire'
import type {
  Conversation,
  ConversationChange,
  ConversationPage,
  FleetReport,
  GenerationSettings,
  Message,
  MessagePage,
  ModelList,
  NewConversation,
  Problem,
} from '@/api/wire'

/** An answer that is not a success, or none at all: then `status` is 0 and `code` is `network`. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfter_s?: number,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return { code: error.code, message: error.message }
  return { code: 'unexpected', message: error instanceof Error ? error.message : String(error) }
}

/** The error of a response in OpenAI's envelope, or of whatever a proxy in between has answered. */
export async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as {
    error?: { code?: string | null; type?: string; message?: string }
  } | null
  const error = body?.error
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  return new ApiError(
    response.status,
    error?.code ?? error?.type ?? `http_${response.status}`,
    error?.message ?? response.statusText,
    Number.isFinite(seconds) ? seconds : undefined,
  )
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { accept: 'application/json' } }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { accept: 'application/json', 'content-type': 'application/json' }
  }
  let response: Response
  try {
    response = await fetch(path, init)
  } catch (error) {
    throw new ApiError(0, 'network', error instanceof Error ? error.message : '')
  }
  if (!response.ok) throw await errorOf(response)
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}

function withQuery(path: string, values: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value))
  }
  return query.size ? `${path}?${query}` : path
}

const conversation = (id: string): string => `/api/conversations/${encodeURIComponent(id)}`

/** As `server/app/routes/conversations.py` limits it. */
export const MAX_SEARCH_CHARS = 200

export interface PageOf {
  cursor?: string | null
  search?: string
  limit?: number
}

export const listConversations = ({ cursor, search, limit = PAGE }: PageOf = {}) =>
  call<ConversationPage>('GET', withQuery('/api/conversations', { limit, cursor, q: search }))
export const createConversation = (body: NewConversation) =>
  call<Conversation>('POST', '/api/conversations', body)
export const getConversation = (id: string) => call<Conversation>('GET', conversation(id))
export const changeConversation = (id: string, change: ConversationChange) =>
  call<Conversation>('PATCH', conversation(id), change)
export const deleteConversation = (id: string) => call<void>('DELETE', conversation(id))
export const listMessages = (id: string, before?: string, limit = PAGE) =>
  call<MessagePage>('GET', withQuery(`${conversation(id)}/messages`, { limit, before }))
export const stopMessage = (id: string) =>
  call<Message>('POST', `/api/chat/${encodeURIComponent(id)}/stop`)
export const listModels = () => call<ModelList>('GET', '/api/models')
export const getFleet = () => call<FleetReport>('GET', '/api/fleet')
export const actOnWorker = (name: string, action: 'start' | 'stop' | 'restart' | 'drain') =>
  call<unknown>('POST', `/api/fleet/workers/${encodeURIComponent(name)}/${action}`)

/** Where a conversation can be downloaded from, with an ordinary link. */
export const exportUrl = (id: string, format: 'markdown' | 'json'): string =>
  `${conversation(id)}/export?format=${format}`

/** Settings that leave everything to the model. */
export const noSettings = (): GenerationSettings => ({
  system: null,
  temperature: null,
  top_p: null,
  max_tokens: null,
  stop: [],
  seed: null,
  presence_penalty: null,
  frequency_penalty: null,
})

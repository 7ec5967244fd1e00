/** What a question becomes: the request, and the turn that stands for it until it is stored. Pure. */

import { noSettings } from '@/api/client'
import type { ChatRequest, GenerationSettings } from '@/api/wire'
import { isStored, type Turn } from '@/chat/turn'

export interface Question {
  query: string
  conversationId: string | null
  /** The message it follows; null: it is a first one. */
  parentId: string | null
  model: string
  settings: GenerationSettings
}

export function requestOf(question: Question): ChatRequest {
  const set = Object.entries(question.settings).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  )
  return {
    ...(Object.fromEntries(set) as Partial<GenerationSettings>),
    query: question.query,
    conversation_id: question.conversationId ?? '',
    parent_id: question.parentId ?? '',
    model: question.model,
    stream: true,
  }
}

/** `siblings`: of the turn it stands beside, if it is another version of one. */
export function turnFor(question: Question, key: string, siblings: string[], now_ms: number): Turn {
  return {
    key,
    id: '',
    conversation_id: question.conversationId ?? '',
    parent_id: question.parentId,
    chat_type: 'chat',
    query: question.query,
    response: '',
    text: '',
    length: 0,
    status: 'running',
    phase: 'sending',
    model: question.model,
    settings: { ...noSettings(), ...question.settings },
    error: null,
    usage: null,
    finish_reason: null,
    left_out: null,
    first_token_s: null,
    duration_s: null,
    create_time: now_ms / 1000,
    siblings: [...siblings, ''],
    versions: [],
  }
}

/** The last turn the server knows, which the next question follows. */
export function lastStored(turns: readonly Turn[]): Turn | undefined {
  return turns.findLast(isStored)
}

export function sameSettings(a: GenerationSettings, b: GenerationSettings): boolean {
  return JSON.stringify(normal(a)) === JSON.stringify(normal(b))
}

function normal(settings: GenerationSettings): GenerationSettings {
  return { ...noSettings(), ...settings }
}

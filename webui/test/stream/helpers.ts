/** A server in the test's hands: its responses are scripts, its bytes come in the pieces given. */

import type { Means } from '@/stream/answer'
import type { AnswerEvent } from '@/stream/events'
import { codePoints } from '@/lib/text'

export const ID = 'a'.repeat(32)
export const CONVERSATION = 'c'.repeat(32)

/** `cut`: the connection breaks at the end instead of closing; `hang`: nothing comes any more. */
export function body(pieces: Uint8Array[], end: 'close' | 'cut' | 'hang' = 'close'): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[at++]
        if (piece) controller.enqueue(piece)
        else if (end === 'close') controller.close()
        else if (end === 'cut') controller.error(new TypeError('network error'))
        else return new Promise(() => undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export function textFrame(text: string, end: number, line = '\n'): string {
  return `id: ${end}${line}data: ${JSON.stringify({ message_id: ID, text })}${line}${line}`
}

export function doneFrame(end: number, line = '\n', reason = 'stop'): string {
  const frame = {
    message_id: ID,
    conversation_id: CONVERSATION,
    conversation_name: 'A name',
    usage: { prompt_tokens: 3, completion_tokens: 40, total_tokens: 43 },
    finish_reason: reason,
    left_out: { turns: 0, tokens: 0 },
    first_token_s: 0.1,
    duration_s: 2,
  }
  return `id: ${end}${line}event: done${line}data: ${JSON.stringify(frame)}${line}${line}`
}

export function errorFrame(code: string, end: number, line = '\n'): string {
  const frame = { message_id: ID, code, message: `it is ${code}` }
  return `id: ${end}${line}event: error${line}data: ${JSON.stringify(frame)}${line}${line}`
}

/** The frames of an answer given as deltas, from character `after` on, as the server sends them. */
export function framesOf(deltas: string[], after: number, line = '\n'): string {
  let at = 0
  let out = `: ping${line}${line}`
  for (const delta of deltas) {
    const points = [...delta]
    const start = at
    at += points.length
    if (at > after) out += textFrame(points.slice(Math.max(0, after - start)).join(''), at, line)
  }
  return out + doneFrame(codePoints(deltas.join('')), line)
}

export interface Call {
  path: string
  method: string
  headers: Record<string, string>
}

export type Reply = (call: Call) => Response | Promise<Response>

export function stream(content: ReadableStream<Uint8Array>): Response {
  const headers = { 'x-message-id': ID, 'x-conversation-id': CONVERSATION, 'content-type': 'text/event-stream' }
  return new Response(content, { headers })
}

export function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ error: { code, message: `it is ${code}` } }), { status, headers })
}

/** Means whose time stands still: pauses are written down and end at once. */
export function means(replies: Reply[] | Reply): Means & { calls: Call[]; pauses: number[] } {
  const calls: Call[] = []
  const pauses: number[] = []
  return {
    calls,
    pauses,
    signal: new AbortController().signal,
    now: () => 0,
    pause: async (ms) => void pauses.push(ms),
    sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    fetch: (async (path: string, init: RequestInit) => {
      const headers = init.headers as Record<string, string>
      const call = { path, method: init.method ?? 'GET', headers }
      calls.push(call)
      const reply = Array.isArray(replies) ? replies[calls.length - 1] : replies
      if (!reply) throw new Error('no reply is left')
      return reply(call)
    }) as typeof fetch,
  }
}

export async function collect(events: AsyncIterable<AnswerEvent>): Promise<AnswerEvent[]> {
  const all: AnswerEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

export const textOf = (events: AnswerEvent[]): string =>
  events.map((event) => (event.kind === 'text' ? event.text : '')).join('')

/** A small generator of numbers in [0, 1) that repeats itself for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** The app server as far as the stores can tell: rows in memory, streams that the test writes. */

import { vi } from 'vitest'
import type { Conversation, Message } from '@/api/wire'
import { noSettings } from '@/api/client'
import { bytes, doneFrame, errorFrame, textFrame } from '../stream/helpers'

export const id = (n: number): string => n.toString(16).padStart(32, '0')

export function message(n: number, change: Partial<Message> = {}): Message {
  return {
    id: id(n), conversation_id: id(100), parent_id: null, chat_type: 'chat', query: `question ${n}`,
    response: `answer ${n}`, status: 'complete', model: 'm', settings: noSettings(), error: null, usage: null,
    finish_reason: 'stop', left_out: null, first_token_s: null, duration_s: null, create_time: n, siblings: [id(n)], versions: [],
    ...change,
  }
}

export function conversation(n: number, change: Partial<Conversation> = {}): Conversation {
  return {
    id: id(n), name: `name ${n}`, named_by: 'person', pinned: false, model: 'm', settings: noSettings(),
    leaf_id: null, running: false, excerpt: null, create_time: 1, update_time: n, ...change,
  }
}

export interface Stream {
  messageId: string
  body: Record<string, unknown> | null
  key: string | null
  text(text: string, end: number): void
  done(end: number, reason?: string): void
  error(code: string, end: number): void
  cut(): void
}

export class FakeServer {
  rows: Conversation[] = []
  branch: Message[] = []
  more = false
  calls: string[] = []
  streams: Stream[] = []
  changes: unknown[] = []
  nextId = 50
  isOffline = false
  stopped: (() => Message) | null = null
  /** What a test answers itself, by method and path; what it leaves is answered from the rows. */
  reply: (call: string) => Response | Promise<Response> | undefined = () => undefined

  install(): void {
    vi.stubGlobal('fetch', (path: string, init: RequestInit = {}) => this.answer(path, init))
  }

  private async answer(path: string, init: RequestInit): Promise<Response> {
    const call = `${init.method ?? 'GET'} ${path}`
    this.calls.push(call)
    if (this.isOffline) throw new TypeError('network error')
    const own = this.reply(call)
    if (own) return own
    const body = init.body ? (JSON.parse(String(init.body)) as Record<string, unknown>) : null
    if (call === 'POST /api/chat') return this.open(id(this.nextId++), body, init)
    const found = /\/api\/chat\/([0-9a-f]+)\/(events|stop)/.exec(path)
    if (found?.[2] === 'events') return this.open(found[1]!, null, init)
    if (found) return Response.json(this.stopped?.() ?? message(0))
    if (path.includes('/messages')) {
      return Response.json({ items: this.branch, leaf_id: this.branch.at(-1)?.id ?? null, more: this.more })
    }
    if (init.method === 'PATCH') this.changes.push(body)
    const one = /\/api\/conversations\/([0-9a-f]+)/.exec(path)
    if (one) return Response.json(this.rows.find((row) => row.id === one[1]) ?? conversation(100))
    return Response.json({ items: this.rows, next_cursor: null })
  }

  private open(messageId: string, body: Record<string, unknown> | null, init: RequestInit): Response {
    let controller!: ReadableStreamDefaultController<Uint8Array>
    const content = new ReadableStream<Uint8Array>({ start: (one) => void (controller = one) })
    init.signal?.addEventListener('abort', () => controller.error(new DOMException('', 'AbortError')))
    const write = (text: string): void => controller.enqueue(bytes(text))
    this.streams.push({
      messageId,
      body,
      key: (init.headers as Record<string, string>)['idempotency-key'] ?? null,
      text: (text, end) => write(textFrame(text, end)),
      done: (end, reason) => {
        write(doneFrame(end, '\n', reason))
        controller.close()
      },
      error: (code, end) => {
        write(errorFrame(code, end))
        controller.close()
      },
      cut: () => controller.error(new TypeError('network error')),
    })
    const headers = { 'x-message-id': messageId, 'x-conversation-id': id(100), 'content-type': 'text/event-stream' }
    return new Response(content, { headers })
  }
}

/** Lets everything that was begun go as far as it can: promises, streams and one frame. */
export const settled = (ms = 40): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A reply that the test gives when it likes. */
export function held(): { reply: Promise<Response>; give(response: Response): void } {
  let give!: (response: Response) => void
  const reply = new Promise<Response>((resolve) => (give = resolve))
  return { reply, give }
}

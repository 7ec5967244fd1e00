/**
 * One answer as a stream of events, over as many connections as it takes.
 *
 * The question is posted with a key, so that it can be repeated when nobody knows whether it
 * arrived. From then on every cut is healed by asking for what comes after the last character seen.
 * Frames carry the number of characters so far: what was seen already is dropped here, and a frame
 * that leaves a gap counts as a cut, so the text is exact by construction.
 */

import { ApiError, errorOf, problemOf } from '@/api/client'
import { CONVERSATION_HEADER, MESSAGE_HEADER, type ChatRequest } from '@/api/wire'
import { codePoints } from '@/lib/text'
import { eventOf, isLast, unseen, type AnswerEvent } from '@/stream/events'
import { Cut, readFrames, unlessSilent } from '@/stream/frames'
import { backoff, sleep, sleepUntilOnline, type Now, type Sleep } from '@/stream/wait'

export interface Means {
  signal: AbortSignal
  fetch?: typeof fetch
  /** Between two tries. */
  pause?: Sleep
  /** Until silence counts as a cut. */
  sleep?: Sleep
  now?: Now
}

/** A connection that lived this long was a good one: the next pause is short again. */
const GOOD_MS = 5000
/** A question is not repeated for ever to a server that answers but cannot take it. */
const MOST_BUSY_REPLIES = 12

const BUSY = new Set([502, 503, 504])

/** Ask a question and listen until its answer has ended, the server refuses, or `signal` is aborted. */
export async function* ask(
  body: ChatRequest,
  key: string,
  means: Means,
): AsyncGenerator<AnswerEvent, void> {
  const line = new Line(means)
  const request: RequestInit = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
  }
  for (let busy = 0; !means.signal.aborted; ) {
    let response: Response
    try {
      response = await line.request('/api/chat', request)
    } catch {
      yield* line.retry()
      continue
    }
    // A page that a proxy puts in between is a success too, but not an answer of ours.
    if (response.ok && response.headers.has(MESSAGE_HEADER)) return yield* answered(response, line, means)
    const error = await errorOf(response)
    if (!BUSY.has(error.status) || ++busy > MOST_BUSY_REPLIES) return yield refusal(error, false)
    yield* line.retry(error.retryAfter_s)
  }
}

/** Listen to a message that is there, from character `seen` on. */
export async function* follow(
  messageId: string,
  seen: number,
  means: Means,
): AsyncGenerator<AnswerEvent, void> {
  yield* resume(messageId, new Line(means, seen), means)
}

async function* answered(
  response: Response,
  line: Line,
  means: Means,
): AsyncGenerator<AnswerEvent, void> {
  const messageId = response.headers.get(MESSAGE_HEADER) ?? ''
  const conversationId = response.headers.get(CONVERSATION_HEADER) ?? ''
  yield { kind: 'opened', messageId, conversationId }
  if (yield* line.listen(response)) return
  yield* line.retry()
  yield* resume(messageId, line, means)
}

async function* resume(
  messageId: string,
  line: Line,
  { signal }: Means,
): AsyncGenerator<AnswerEvent, void> {
  const path = `/api/chat/${encodeURIComponent(messageId)}/events`
  while (!signal.aborted) {
    let wait_s: number | undefined
    try {
      const response = await line.request(path, { headers: { 'last-event-id': `${line.seen}` } })
      if (response.ok) {
        yield { kind: 'connected' }
        if (yield* line.listen(response)) return
      } else {
        const error = await errorOf(response)
        if (error.status < 500 && error.status !== 429) return yield refusal(error, true)
        wait_s = error.retryAfter_s
      }
    } catch {
      // No response: the pause below is all that can be done.
    }
    yield* line.retry(wait_s)
  }
}

function refusal(error: ApiError, stored: boolean): AnswerEvent {
  return { kind: 'refused', problem: problemOf(error), status: error.status, stored }
}

/** The way to the server: what came over it so far, and how often it failed in a row. */
class Line {
  private attempt = 0
  private openedAt = 0
  private readonly now: Now

  constructor(
    private readonly means: Means,
    /** Code points of the answer that have been handed on. */
    public seen = 0,
  ) {
    this.now = means.now ?? (() => performance.now())
  }

  /** Raises whatever `fetch` raises, and `Cut` if no response comes. */
  async request(path: string, init: RequestInit): Promise<Response> {
    const over = new AbortController()
    const signal = AbortSignal.any([this.means.signal, over.signal])
    const headers = { accept: 'text/event-stream', ...init.headers }
    const work = (this.means.fetch ?? fetch)(path, { ...init, headers, signal, cache: 'no-store' })
    try {
      return await unlessSilent(work, this.means.sleep ?? sleep)
    } catch (error) {
      over.abort()
      throw error
    }
  }

  /** Hands on what is new in one response; true if the answer ended with it. */
  async *listen(response: Response): AsyncGenerator<AnswerEvent, boolean> {
    this.openedAt = this.now()
    if (!response.body) return false
    try {
      for await (const frame of readFrames(response.body, this.means.sleep ?? sleep)) {
        const event = eventOf(frame)
        const fresh = event && this.fresh(event, Number(frame.id))
        if (!fresh) continue
        yield fresh
        if (isLast(fresh)) return true
      }
    } catch {
      // A cut, a frame that is no JSON, or a gap: in each case the server can say it again.
    }
    return this.means.signal.aborted
  }

  /** Announces the next try and waits for its time. */
  async *retry(wait_s?: number): AsyncGenerator<AnswerEvent, void> {
    if (this.means.signal.aborted) return
    if (this.openedAt && this.now() - this.openedAt > GOOD_MS) this.attempt = 0
    this.openedAt = 0
    this.attempt++
    yield { kind: 'reconnecting', attempt: this.attempt }
    const least_ms = Math.min(wait_s ?? 0, 30) * 1000
    const pause_ms = Math.max(backoff(this.attempt), least_ms)
    await (this.means.pause ?? sleepUntilOnline)(pause_ms, this.means.signal)
  }

  /** The event without what was seen before; null if nothing is left. Raises `Cut` at a gap. */
  private fresh(event: AnswerEvent, end: number): AnswerEvent | null {
    if (isLast(event) && end > this.seen) throw new Cut('the end came before the text')
    if (event.kind !== 'text') return event
    const text = unseen(event.text, event.end, this.seen)
    if (text === null) throw new Cut('a part of the answer is missing')
    if (!text) return null
    this.seen += codePoints(text)
    this.attempt = 0
    return { kind: 'text', text, end: this.seen }
  }
}

import { describe, expect, it } from 'vitest'
import { ask, follow, type Means } from '@/stream/answer'
import { isLast } from '@/stream/events'
import { fold } from '@/stream/fold'
import { turnFor } from '@/chat/compose'
import { noSettings } from '@/api/client'
import {
  body, bytes, collect, CONVERSATION, doneFrame, errorFrame, framesOf, ID, means, random, refusal, stream, textFrame, textOf,
  type Call, type Reply,
} from './helpers'

const question = { query: 'hello' }
const DELTAS = ['Hello, ', '世界', '! ', '😀👩‍👩‍👧', ' a\u2028b', '\r\nline\n', 'é', '  end', '𠮷野家', '.']
const WHOLE = DELTAS.join('')

const fail: Reply = () => Promise.reject(new TypeError('network error'))
const kinds = (events: { kind: string }[]): string[] => events.map((event) => event.kind)

describe('a question', () => {
  it('is answered in one connection', async () => {
    const events = await collect(ask(question, 'key', means(() => stream(body([bytes(framesOf(DELTAS, 0))])))))
    expect(events[0]).toEqual({ kind: 'opened', messageId: ID, conversationId: CONVERSATION })
    expect(textOf(events)).toBe(WHOLE)
    expect(events.at(-1)?.kind).toBe('done')
  })

  it('is repeated with the same key when no response came, and never under another', async () => {
    const way = means([fail, fail, () => refusal(503, 'busy'), () => stream(body([bytes(framesOf(DELTAS, 0))]))])
    const events = await collect(ask(question, 'key-1', way))
    expect(textOf(events)).toBe(WHOLE)
    expect(way.calls.map((call) => [call.method, call.headers['idempotency-key']])).toEqual(
      Array(4).fill(['POST', 'key-1']),
    )
    expect(way.pauses).toEqual([250, 500, 1000])
  })

  it('is not repeated once it was answered: what is missing is asked for', async () => {
    const cut = bytes(textFrame('Hello, ', 7)).slice(0, -3)
    const way = means([
      () => stream(body([cut], 'cut')),
      () => stream(body([bytes(framesOf(DELTAS, 0))])),
    ])
    await collect(ask(question, 'key', way))
    expect(way.calls.map((call) => call.method)).toEqual(['POST', 'GET'])
    expect(way.calls[1]).toMatchObject({ path: `/api/chat/${ID}/events`, headers: { 'last-event-id': '0' } })
  })

  it.each([400, 404, 409, 413, 422, 429, 500])('that is refused with %i ends at once', async (status) => {
    const events = await collect(ask(question, 'key', means([() => refusal(status, 'no')])))
    expect(events).toEqual([
      { kind: 'refused', status, stored: false, problem: { code: 'no', message: 'it is no' } },
    ])
  })

  it('is given up when the server only ever says that it is busy', async () => {
    const way = means(() => refusal(503, 'busy'))
    const events = await collect(ask(question, 'key', way))
    expect(events.at(-1)).toMatchObject({ kind: 'refused', status: 503 })
    expect(way.calls.length).toBe(13)
  })

  it('does not take the page of a proxy for an answer', async () => {
    const events = await collect(ask(question, 'key', means([() => new Response('<h1>Log in</h1>')])))
    expect(events).toMatchObject([{ kind: 'refused', stored: false, problem: { code: 'http_200' } }])
  })

  it('waits as long as the server asks', async () => {
    const way = means([() => refusal(503, 'busy', { 'retry-after': '7' }), () => refusal(400, 'no')])
    await collect(ask(question, 'key', way))
    expect(way.pauses).toEqual([7000])
  })
})

describe('an answer', () => {
  it('goes on after every cut, with pauses that grow to 4 s and begin anew with new text', async () => {
    const way = means([
      fail, fail, fail, fail, fail, fail,
      () => stream(body([bytes(textFrame('Hello, ', 7))], 'cut')),
      () => stream(body([bytes(framesOf(DELTAS, 7))])),
    ])
    const events = await collect(follow(ID, 0, way))
    expect(textOf(events)).toBe(WHOLE)
    expect(way.pauses).toEqual([250, 500, 1000, 2000, 4000, 4000, 250])
    expect(way.calls.at(-1)?.headers['last-event-id']).toBe('7')
    expect(events.filter((event) => event.kind === 'reconnecting').map((event) => event.attempt)).toEqual([
      1, 2, 3, 4, 5, 6, 1,
    ])
  })

  it('is cut when nothing, not even a ping, comes for 40 s', async () => {
    const waits: number[] = []
    const way = means([
      () => stream(body([bytes(': ping\n\n')], 'hang')),
      () => stream(body([bytes(framesOf(DELTAS, 0))])),
    ])
    let silent = 0
    const impatient: Means = {
      ...way,
      sleep: (ms, signal) => {
        waits.push(ms)
        // The response and its ping come in time; then the silence is played at once.
        if (++silent === 3) return Promise.resolve()
        return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()))
      },
    }
    expect(textOf(await collect(follow(ID, 0, impatient)))).toBe(WHOLE)
    expect(new Set(waits)).toEqual(new Set([40_000]))
    expect(way.calls.length).toBe(2)
  })

  it('ends for good where the server does not know it', async () => {
    const events = await collect(follow(ID, 0, means([fail, () => refusal(404, 'not_found')])))
    expect(kinds(events)).toEqual(['reconnecting', 'refused'])
  })

  it('takes a server error for a cut', async () => {
    const way = means([() => refusal(500, 'oops'), () => refusal(429, 'slow'), () => stream(body([bytes(framesOf(DELTAS, 0))]))])
    expect(textOf(await collect(follow(ID, 0, way)))).toBe(WHOLE)
  })

  it('drops what was seen, keeps what is new of a frame, and asks again where a part is missing', async () => {
    const way = means([
      () => stream(body([bytes(textFrame('abc', 3) + textFrame('abcde', 5) + textFrame('z', 9))])),
      () => stream(body([bytes(textFrame('fghiz', 10) + doneFrame(10))])),
    ])
    expect(textOf(await collect(follow(ID, 0, way)))).toBe('abcdefghiz')
    expect(way.calls[1]?.headers['last-event-id']).toBe('5')
  })

  it('does not end before its text', async () => {
    const way = means([
      () => stream(body([bytes(textFrame('abc', 3) + doneFrame(5))])),
      () => stream(body([bytes(textFrame('de', 5) + doneFrame(5))])),
    ])
    expect(textOf(await collect(follow(ID, 0, way)))).toBe('abcde')
  })

  it('stops asking when the reader aborts', async () => {
    const abort = new AbortController()
    const way = means(fail)
    const events = follow(ID, 0, { ...way, signal: abort.signal, pause: async () => abort.abort() })
    expect(kinds(await collect(events))).toEqual(['reconnecting'])
  })

  it('ends where the server has less of it than the reader', async () => {
    const way = means([
      () => stream(body([bytes(textFrame('all of it', 9))], 'cut')),
      () => stream(body([bytes(errorFrame('server_restarted', 6))])),
    ])
    const events = await collect(follow(ID, 0, way))
    expect(textOf(events)).toBe('all of it')
    expect(events.at(-1)).toMatchObject({ kind: 'error', frame: { code: 'server_restarted' } })
    expect(way.calls[1]?.headers['last-event-id']).toBe('9')
  })

  it('gets its end over a line whose last byte is a lone CR', async () => {
    const way = means([() => stream(body([bytes(framesOf(DELTAS, 0, '\r'))], 'hang'))])
    expect((await collect(follow(ID, 0, way))).at(-1)?.kind).toBe('done')
    expect(way.calls.length).toBe(1)
  }, 2000)

  it('does not mind frames of a kind that this page does not know', async () => {
    const odd = `id: 0\nevent: sources\ndata: []\n\nid: 0\nevent: later\ndata: x\n\n`
    const way = means([() => stream(body([bytes(odd + framesOf(DELTAS, 0))]))])
    expect(textOf(await collect(follow(ID, 0, way)))).toBe(WHOLE)
  })
})

/** A server that sends the rest of the answer each time and is cut at a random byte. */
function unreliable(next: () => number, line: string): Reply {
  return (call: Call) => {
    if (next() < 0.15) return Promise.reject(new TypeError('network error'))
    const after = Number(call.headers['last-event-id'] ?? 0)
    const all = bytes(framesOf(DELTAS, after, line))
    const isWhole = next() < 0.2
    const sent = isWhole ? all : all.slice(0, Math.floor(next() * all.length))
    const pieces: Uint8Array[] = []
    for (let at = 0; at < sent.length; ) {
      const size = 1 + Math.floor(next() * 9)
      pieces.push(sent.slice(at, at + size))
      at += size
    }
    return stream(body(pieces, isWhole || next() < 0.5 ? 'close' : 'cut'))
  }
}

describe('whatever is cut, and wherever', () => {
  it.each(['\n', '\r\n', '\r'])('not a character is lost or repeated, with lines ending in %j', async (line) => {
    for (let seed = 1; seed <= 150; seed++) {
      const way = means(unreliable(random(seed), line))
      let turn = turnFor({ query: 'q', conversationId: null, parentId: null, model: '', settings: noSettings() }, 'k', [], 0)
      const ends: string[] = []
      for await (const event of ask(question, 'k', way)) {
        turn = fold(turn, event)
        if (isLast(event)) ends.push(event.kind)
      }
      expect(turn.text).toBe(WHOLE)
      expect(turn).toMatchObject({ phase: 'done', status: 'complete', id: ID })
      expect(ends).toEqual(['done'])
    }
  }, 30_000)

  it('holds for every single byte of a short answer', async () => {
    const all = bytes(framesOf(DELTAS, 0, '\r\n'))
    for (let at = 0; at <= all.length; at++) {
      const way = means([
        () => stream(body([all.slice(0, at)], 'cut')),
        (call) => stream(body([bytes(framesOf(DELTAS, Number(call.headers['last-event-id'])))])),
      ])
      expect(textOf(await collect(follow(ID, 0, way)))).toBe(WHOLE)
    }
  }, 30_000)
})

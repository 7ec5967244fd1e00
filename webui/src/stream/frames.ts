/** Bytes of a response as server-sent events. It knows nothing about answers. */

import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Sleep } from '@/stream/wait'

/** The server pings every 15 s: after this long without a byte nobody is there any more. */
export const SILENCE_MS = 40_000

/** The connection ended before the stream did. */
export class Cut extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'Cut'
  }
}

/**
 * Every whole event of `body`, in order; what was cut off inside an event is dropped. Raises `Cut`
 * when nothing, not even a ping, has come for `SILENCE_MS`, and whatever reading raises.
 */
export async function* readFrames(
  body: ReadableStream<Uint8Array>,
  sleep: Sleep,
): AsyncGenerator<EventSourceMessage, void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const lines = lineFeeds()
  let frames: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (frame) => frames.push(frame) })
  try {
    for (;;) {
      const { done, value } = await unlessSilent(reader.read(), sleep)
      if (done) return
      parser.feed(lines(decoder.decode(value, { stream: true })))
      const ready = frames
      frames = []
      yield* ready
    }
  } finally {
    // Also reached when the consumer leaves early: the socket must not stay open behind its back.
    void reader.cancel().catch(() => undefined)
  }
}

/**
 * Turns every end of a line into one line feed, over any number of pieces. The parser would keep a
 * piece that ends in CR until it knows whether LF follows, and after the last event nothing follows.
 */
function lineFeeds(): (piece: string) => string {
  let wasReturn = false
  return (piece) => {
    if (!piece) return piece
    const rest = wasReturn && piece.startsWith('\n') ? piece.slice(1) : piece
    wasReturn = piece.endsWith('\r')
    return rest.replace(/\r\n?/g, '\n')
  }
}

/** The result of `work`, or `Cut` if it takes longer than `SILENCE_MS`. */
export async function unlessSilent<T>(work: Promise<T>, sleep: Sleep): Promise<T> {
  const over = new AbortController()
  const silence = sleep(SILENCE_MS, over.signal).then((): never => {
    throw new Cut('nothing came for too long')
  })
  silence.catch(() => undefined)
  try {
    return await Promise.race([work, silence])
  } finally {
    over.abort()
  }
}

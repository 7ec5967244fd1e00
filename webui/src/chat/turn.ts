/** One question with its answer as the page shows it: what is stored, and what is happening to it. */

import type { Message } from '@/api/wire'
import { tokensPerSecond } from '@/lib/speed'
import { codePoints } from '@/lib/text'

/**
 * sending: the question is not stored yet; waiting: stored, no text yet; queued: in a line, at
 * `position`; loading: the model is being loaded; unserved: no worker has the model, one is waited
 * for; recovering: the way to the model is being found again; done: nothing more will come.
 */
export type Phase =
  'sending' | 'waiting' | 'queued' | 'loading' | 'unserved' | 'recovering' | 'streaming' | 'done'

export interface Turn extends Message {
  /** The same from the first moment on, while `id` changes when the server has named the message. */
  key: string
  /** The answer so far. */
  text: string
  /** Code points of `text`: where a stream goes on. */
  length: number
  phase: Phase
  /** In the queue; 1 is next. */
  position?: number
  /** While the model is being loaded: the share of its weights that is there. */
  loaded?: number
  /** How often the lost connection was tried again; undefined while there is one. */
  reconnecting?: number
  /** The reader wants it to end and the server has not confirmed it. */
  stopping?: boolean
  /** The way to the model was lost on the way: its time is not the time of writing. */
  recovered?: boolean
  tokensPerSecond?: number
}

/** Whether the server knows this message; one that was never stored has no id. */
export const isStored = (turn: Turn): boolean => turn.id !== ''

export const isRunning = (turn: Turn): boolean => turn.phase !== 'done'

export function turnOf(message: Message, key: string = message.id): Turn {
  const running = message.status === 'running'
  return {
    ...message,
    key,
    text: message.response,
    length: codePoints(message.response),
    phase: running ? (message.response ? 'streaming' : 'waiting') : 'done',
    tokensPerSecond: running ? undefined : tokensPerSecond(message.usage, message.duration_s),
  }
}

/**
 * `turn` as the server has stored it. A crash can cost the server the last moment of an answer that
 * the reader has seen: that text stays before the reader until the page is loaded again.
 */
export function endedAs(turn: Turn, message: Message): Turn {
  const figures = turnOf(message, turn.key)
  const stored = turn.recovered ? { ...figures, recovered: true, tokensPerSecond: undefined } : figures
  const hasMore = turn.length > stored.length && turn.text.startsWith(message.response)
  return hasMore ? { ...stored, text: turn.text, length: turn.length } : stored
}

/** What can happen to an answer while the page listens to it. */

import type { EventSourceMessage } from 'eventsource-parser'
import type { DoneFrame, ErrorFrame, Problem, QueueFrame, TextFrame } from '@/api/wire'
import { codePoints, skipCodePoints } from '@/lib/text'

export type AnswerEvent =
  /** The question is stored: these are the ids of the message and its conversation. */
  | { kind: 'opened'; messageId: string; conversationId: string }
  /** `end`: code points of the whole answer with this text. */
  | { kind: 'text'; text: string; end: number }
  /** `done`: of a model that is being loaded, the share of its weights that is there. */
  | { kind: 'queue'; position: number; reason: QueueFrame['reason']; done?: number | null }
  | { kind: 'done'; frame: DoneFrame }
  | { kind: 'error'; frame: ErrorFrame }
  /** The connection is lost; try number `attempt` comes after a pause. */
  | { kind: 'reconnecting'; attempt: number }
  | { kind: 'connected' }
  /** The server refuses: there is nothing to wait for. `stored`: whether the question is. */
  | { kind: 'refused'; problem: Problem; status: number; stored: boolean }

/** Whether nothing comes after `event`. */
export function isLast(event: AnswerEvent): boolean {
  return event.kind === 'done' || event.kind === 'error' || event.kind === 'refused'
}

/** A frame of the wire as an event; null for one this version does not know. */
export function eventOf(frame: EventSourceMessage): AnswerEvent | null {
  switch (frame.event ?? 'message') {
    case 'message': {
      const { text } = JSON.parse(frame.data) as TextFrame
      return { kind: 'text', text, end: Number(frame.id) }
    }
    case 'queue': {
      const { position, reason, done } = JSON.parse(frame.data) as QueueFrame
      return { kind: 'queue', position, reason: reason ?? 'queue', ...(done != null && { done }) }
    }
    case 'done':
      return { kind: 'done', frame: JSON.parse(frame.data) as DoneFrame }
    case 'error':
      return { kind: 'error', frame: JSON.parse(frame.data) as ErrorFrame }
    default:
      return null
  }
}

/**
 * What of `text`, which ends at character `end` of the answer, a reader who has `seen` characters
 * does not have; null if there is a gap between, so that the text does not fit.
 */
export function unseen(text: string, end: number, seen: number): string | null {
  const start = end - codePoints(text)
  if (start === seen) return text
  return start > seen || Number.isNaN(start) ? null : skipCodePoints(text, seen - start)
}

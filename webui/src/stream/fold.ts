/** How an answer grows: a turn and an event make the next turn. The one copy of these rules. */

import type { FinishReason, MessageStatus } from '@/api/wire'
import type { Turn } from '@/chat/turn'
import { codePoints } from '@/lib/text'
import { tokensPerSecond } from '@/lib/speed'
import { unseen, type AnswerEvent } from '@/stream/events'

type Of<K extends AnswerEvent['kind']> = Extract<AnswerEvent, { kind: K }>

export function fold(turn: Turn, event: AnswerEvent): Turn {
  if (turn.phase === 'done') return turn
  switch (event.kind) {
    case 'opened':
      return opened(turn, event)
    case 'text':
      return grown(turn, event)
    case 'queue':
      return queued(turn, event)
    case 'done':
      return finished(turn, event)
    case 'error':
      return broken(turn, event.frame.code, event.frame.message)
    case 'refused':
      return broken(turn, event.problem.code, event.problem.message)
    case 'reconnecting':
      return { ...turn, reconnecting: event.attempt }
    case 'connected':
      return turn.reconnecting === undefined ? turn : { ...turn, reconnecting: undefined }
  }
}

function opened(turn: Turn, event: Of<'opened'>): Turn {
  return {
    ...turn,
    id: event.messageId,
    conversation_id: event.conversationId,
    siblings: [...new Set(turn.siblings.map((id) => id || event.messageId))],
    phase: turn.phase === 'sending' ? 'waiting' : turn.phase,
    reconnecting: undefined,
  }
}

function grown(turn: Turn, event: Of<'text'>): Turn {
  const more = unseen(event.text, event.end, turn.length)
  if (!more) return turn
  return {
    ...turn,
    text: turn.text + more,
    length: turn.length + codePoints(more),
    phase: 'streaming',
    position: undefined,
    reconnecting: undefined,
  }
}

function queued(turn: Turn, event: Of<'queue'>): Turn {
  if (event.reason === 'recovering') return { ...turn, phase: 'recovering', position: undefined, recovered: true }
  if (event.reason === 'waiting') return { ...turn, phase: 'unserved', position: undefined }
  if (event.reason === 'loading') return { ...turn, phase: 'loading', position: undefined, loaded: event.done ?? undefined }
  if (event.position > 0) return { ...turn, phase: 'queued', position: event.position }
  return { ...turn, phase: turn.text ? 'streaming' : 'waiting', position: undefined }
}

function finished(turn: Turn, { frame }: Of<'done'>): Turn {
  return {
    ...ended(turn, frame.finish_reason === 'stopped' ? 'stopped' : 'complete'),
    usage: frame.usage,
    finish_reason: frame.finish_reason as FinishReason,
    left_out: frame.left_out,
    first_token_s: frame.first_token_s,
    duration_s: frame.duration_s,
    tokensPerSecond: turn.recovered ? undefined : tokensPerSecond(frame.usage, frame.duration_s),
  }
}

/** A partial answer is worth keeping, so a fault only makes it `interrupted`. */
function broken(turn: Turn, code: string, message: string): Turn {
  return { ...ended(turn, turn.text ? 'interrupted' : 'failed'), error: { code, message } }
}

function ended(turn: Turn, status: MessageStatus): Turn {
  return {
    ...turn,
    status,
    response: turn.text,
    phase: 'done',
    position: undefined,
    reconnecting: undefined,
    stopping: undefined,
  }
}

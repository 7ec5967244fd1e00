/** How a page of stored messages joins the turns that are shown. Pure. */

import type { Message, MessagePage } from '@/api/wire'
import { isRunning, isStored, turnOf, type Turn } from '@/chat/turn'

/** What is shown of the open conversation, and whether there is more above. */
export interface Shown {
  turns: Turn[]
  more: boolean
}

/**
 * The shown turns after the newest page was read again. Turns that did not change stay the same
 * objects, so that nothing is drawn twice. `live`: the state of an answer this tab listens to.
 */
export function merged(
  shown: Shown,
  page: MessagePage,
  live: (messageId: string) => Turn | undefined,
): Shown {
  const known = new Map(shown.turns.filter(isStored).map((turn) => [turn.id, turn]))
  const fresh = page.items.map((message) => joined(live(message.id) ?? known.get(message.id), message))
  const above = shown.turns.findIndex((turn) => isStored(turn) && turn.id === page.items[0]?.parent_id)
  const kept = above < 0 ? [] : shown.turns.slice(0, above + 1)
  const leaf = fresh[fresh.length - 1]?.id ?? null
  // A question that could not be stored exists only here, and must not vanish from before the reader.
  const unsent = shown.turns.filter((turn) => !isStored(turn) && (turn.parent_id ?? null) === leaf)
  const turns = [...kept, ...fresh, ...unsent]
  return { turns: sameTurns(shown.turns, turns) ? shown.turns : turns, more: above < 0 ? page.more : shown.more }
}

function joined(turn: Turn | undefined, message: Message): Turn {
  if (!turn) return turnOf(message)
  const { siblings, versions } = message
  const isUnchanged = sameIds(turn.siblings, siblings) && turn.versions.length === versions.length
  // The page may be older than what the stream has told since: it cannot take back an end.
  if (isRunning(turn) || message.status === 'running') {
    return isUnchanged ? turn : { ...turn, siblings, versions }
  }
  const isSame = turn.status === message.status && turn.text === message.response
  if (!isSame) return turnOf(message, turn.key)
  return isUnchanged ? turn : { ...turn, siblings, versions }
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at])
}

function sameTurns(a: readonly Turn[], b: readonly Turn[]): boolean {
  return a.length === b.length && a.every((turn, at) => turn === b[at])
}

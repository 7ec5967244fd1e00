/** How a page of stored messages joins the turns that are shown. Pure. */

import type { Message, MessagePage } from '@/api/wire'
import { endedAs, isRunning, isStored, turnOf, type Turn } from '@/chat/turn'

/** What is shown of the open conversation, and whether there is more above. */
export interface Shown {
  turns: Turn[]
  more: boolean
}

/**
 * The shown turns after the newest page was read again. Turns that did not change stay the same
 * objects, so that nothing is drawn twice. `live`: the state of an answer this tab listens to.
 * `stay`: whether the reader stays on the branch that is shown where the page has another one.
 */
export function merged(
  shown: Shown,
  page: MessagePage,
  live: (messageId: string) => Turn | undefined,
  stay = true,
): Shown {
  const known = new Map(shown.turns.filter(isStored).map((turn) => [turn.id, turn]))
  const fresh = page.items.map((message) => joined(live(message.id) ?? known.get(message.id), message))
  const above = shown.turns.findIndex((turn) => isStored(turn) && turn.id === page.items[0]?.parent_id)
  const kept = above < 0 ? [] : shown.turns.slice(0, above + 1)
  const turns = [...kept, ...((stay && forked(shown.turns, fresh)) || continued(shown.turns, fresh))]
  return { turns: sameTurns(shown.turns, turns) ? shown.turns : turns, more: above < 0 ? page.more : shown.more }
}

/** `fresh`, and a question that could not be stored: it exists only here, and must not vanish. */
function continued(shown: readonly Turn[], fresh: readonly Turn[]): Turn[] {
  const leaf = fresh[fresh.length - 1]?.id ?? null
  return [...fresh, ...shown.filter((turn) => !isStored(turn) && turn.parent_id === leaf)]
}

/** What is shown where another tab has gone to another branch; null: it has not. */
function forked(shown: readonly Turn[], fresh: readonly Turn[]): Turn[] | null {
  const ids = new Set(fresh.map((turn) => turn.id))
  for (const [at, turn] of shown.entries()) {
    if (ids.has(turn.id)) continue
    const fork = fresh.findIndex((other) => other.parent_id === turn.parent_id)
    const other = fresh[fork]
    if (!other || isArrived(turn, other)) continue
    return [...fresh.slice(0, fork), beside(turn, other), ...shown.slice(at + 1)]
  }
  return null
}

/** Whether `other` is the question `turn`, whose sender never heard that it was stored. */
function isArrived(turn: Turn, other: Turn): boolean {
  return !isStored(turn) && turn.query === other.query && !turn.siblings.includes(other.id)
}

function beside(turn: Turn, other: Turn): Turn {
  const siblings = isStored(turn) ? other.siblings : [...other.siblings, '']
  return sameIds(turn.siblings, siblings) ? turn : { ...turn, siblings, versions: other.versions }
}

function joined(turn: Turn | undefined, message: Message): Turn {
  if (!turn) return turnOf(message)
  const { siblings, versions } = message
  const isUnchanged = sameIds(turn.siblings, siblings) && turn.versions.length === versions.length
  // The page may be older than what the stream has told since: it cannot take back an end.
  if (isRunning(turn) || message.status === 'running') {
    return isUnchanged ? turn : { ...turn, siblings, versions }
  }
  const stored = endedAs(turn, message)
  if (turn.status !== stored.status || turn.text !== stored.text) return stored
  return isUnchanged ? turn : { ...turn, siblings, versions }
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at])
}

function sameTurns(a: readonly Turn[], b: readonly Turn[]): boolean {
  return a.length === b.length && a.every((turn, at) => turn === b[at])
}

/** The order of the list of conversations, and the groups it is shown in. Pure. */

import type { Conversation } from '@/api/wire'
import { ageOf, type Age } from '@/lib/dates'

export type GroupKey = 'pinned' | Age

export interface Group {
  key: GroupKey
  items: Conversation[]
}

/** As the server sorts: pinned ones first, then the newest. */
export function inOrder(a: Conversation, b: Conversation): number {
  return (
    Number(b.pinned) - Number(a.pinned) ||
    b.update_time - a.update_time ||
    (a.id < b.id ? -1 : Number(a.id > b.id))
  )
}

/** Groups that have something in them, `now` as `Date.now()` says. */
export function groupByDate(items: readonly Conversation[], now: number): Group[] {
  const groups = new Map<GroupKey, Conversation[]>()
  for (const key of ['pinned', 'today', 'yesterday', 'week', 'month', 'earlier'] as const) {
    groups.set(key, [])
  }
  for (const item of items) {
    groups.get(item.pinned ? 'pinned' : ageOf(item.update_time, now))?.push(item)
  }
  return [...groups].filter(([, of]) => of.length > 0).map(([key, of]) => ({ key, items: of }))
}

/**
 * The list after its first page was read again. What sorts after the page's end was not asked for
 * and stays; what sorts before it and is not in the page is gone.
 */
export function withFirstPage(
  known: readonly Conversation[],
  page: readonly Conversation[],
  isAll: boolean,
): Conversation[] {
  const last = page[page.length - 1]
  if (isAll || !last) return [...page]
  const ids = new Set(page.map((item) => item.id))
  const further = known.filter((item) => !ids.has(item.id) && inOrder(item, last) > 0)
  return [...page, ...further]
}

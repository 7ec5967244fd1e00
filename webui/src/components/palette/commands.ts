import type { ShortcutId } from '@/components/help/shortcuts'

/** Everything the palette can do, in the order it lists it. */
export const COMMANDS = [
  'new',
  'stop',
  'regenerate',
  'copy',
  'settings',
  'rename',
  'pin',
  'unpin',
  'markdown',
  'json',
  'delete',
  'chat',
  'fleet',
  'sidebar',
  'light',
  'dark',
  'system',
  'english',
  'chinese',
  'help',
] as const
export type CommandId = (typeof COMMANDS)[number]

/** Where a command has a key of its own. */
export const KEY_OF: Partial<Record<CommandId, ShortcutId>> = {
  new: 'new',
  stop: 'stop',
  copy: 'copy',
  settings: 'settings',
  delete: 'delete',
  sidebar: 'sidebar',
  help: 'help',
}

/** What is open, as far as it decides which commands make sense. */
export interface Context {
  /** The open conversation is on the server. */
  stored: boolean
  pinned: boolean
  /** There is a turn to answer again. */
  hasTurn: boolean
  /** There is text to copy. */
  hasAnswer: boolean
  busy: boolean
  onFleet: boolean
  theme: 'light' | 'dark' | 'system'
  language: 'en' | 'zh'
}

export function available(context: Context): CommandId[] {
  const { stored, pinned, busy, theme, language } = context
  const fits: Partial<Record<CommandId, boolean>> = {
    stop: busy,
    regenerate: context.hasTurn && !busy,
    copy: context.hasAnswer,
    rename: stored,
    pin: stored && !pinned,
    unpin: stored && pinned,
    markdown: stored,
    json: stored,
    delete: stored,
    chat: context.onFleet,
    fleet: !context.onFleet,
    light: theme !== 'light',
    dark: theme !== 'dark',
    system: theme !== 'system',
    english: language !== 'en',
    chinese: language !== 'zh',
  }
  return COMMANDS.filter((id) => fits[id] ?? true)
}

export interface Entry {
  id: CommandId
  label: string
  /** More words it is found by: synonyms, and the label in the other language. */
  words: string
}

/**
 * Those that have every word of `query`, the best fit first; among equals the one used last.
 *
 * `recent`: ids, the last used first. Without a query: these, then the others as they are listed.
 */
export function found(
  entries: readonly Entry[],
  query: string,
  recent: readonly string[],
): Entry[] {
  const wanted = plain(query).split(/\s+/).filter(Boolean)
  const age = ({ id }: Entry) => (recent.includes(id) ? recent.indexOf(id) : recent.length)
  return entries
    .map((entry) => ({ entry, misfit: misfit(entry, wanted) }))
    .filter(({ misfit }) => Number.isFinite(misfit))
    .sort((a, b) => a.misfit - b.misfit || age(a.entry) - age(b.entry))
    .map(({ entry }) => entry)
}

/** 0: the label begins with what is sought … 3: only another word fits; infinite: it does not fit. */
function misfit({ label, words }: Entry, wanted: readonly string[]): number {
  if (!wanted.length) return 0
  const name = plain(label)
  const all = `${name} ${plain(words)}`
  if (!wanted.every((word) => all.includes(word))) return Infinity
  if (name.startsWith(wanted.join(' '))) return 0
  if (wanted.every((word) => ` ${name}`.includes(` ${word}`))) return 1
  return wanted.every((word) => name.includes(word)) ? 2 : 3
}

function plain(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim()
}

const MOST_RECENT = 3

/** With one more used now. */
export function used(recent: readonly string[], id: CommandId): string[] {
  return [id, ...recent.filter((other) => other !== id)].slice(0, MOST_RECENT)
}

/** What was kept of them; ids of an older version are dropped. */
export function readRecent(text: string | null): string[] {
  return (text ?? '').split(' ').filter((id) => (COMMANDS as readonly string[]).includes(id))
}

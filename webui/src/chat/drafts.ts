/** What was written and not yet sent, one text for each conversation, kept over a reload. */

const PREFIX = 'shortline.draft.'
const name = (conversationId: string | null): string => PREFIX + (conversationId ?? 'new')

export function draftOf(conversationId: string | null): string {
  try {
    return localStorage.getItem(name(conversationId)) ?? ''
  } catch {
    return '' // storage is switched off in this browser
  }
}

export function keepDraft(conversationId: string | null, text: string): void {
  try {
    if (text) localStorage.setItem(name(conversationId), text)
    else localStorage.removeItem(name(conversationId))
  } catch {
    // Storage is full or switched off: the text is still in the box in front of the reader.
  }
}

export const dropDraft = (conversationId: string | null): void => keepDraft(conversationId, '')

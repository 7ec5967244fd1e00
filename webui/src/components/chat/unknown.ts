import type { Problem } from '@/api/wire'

/** Codes that say the conversation is not there; an id that cannot be one is refused as malformed. */
const CODES = new Set(['not_found', 'conversation_not_found', 'http_404', 'invalid_id', 'validation_error'])

export function isUnknown(problem: Problem): boolean {
  return CODES.has(problem.code)
}

import type { Usage } from '@/api/wire'

/** Tokens of the answer per second of writing, or undefined where it would be a guess. */
export function tokensPerSecond(
  usage: Usage | null | undefined,
  duration_s: number | null | undefined,
): number | undefined {
  const tokens = usage?.completion_tokens ?? 0
  // A handful of tokens in an instant says nothing about speed, and would read as thousands a second.
  if (tokens < 2 || !duration_s || duration_s < 0.05) return undefined
  return tokens / duration_s
}

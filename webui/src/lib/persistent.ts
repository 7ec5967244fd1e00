import { sleepUntilOnline, type Sleep } from '@/stream/wait'

const FIRST_MS = 5000
const LONGEST_MS = 60_000

/**
 * What `fetch` gives, fetched at the first call and for all calls. A failure is tried again, one try
 * at a time: after 5 s, doubled up to a minute, or when the network is back.
 */
export function persistent<T>(fetch: () => Promise<T>, pause: Sleep = sleepUntilOnline): () => Promise<T> {
  let begun: Promise<T> | undefined
  async function untilThere(): Promise<T> {
    for (let wait_ms = FIRST_MS; ; wait_ms = Math.min(wait_ms * 2, LONGEST_MS)) {
      try {
        return await fetch()
      } catch {
        await pause(wait_ms)
      }
    }
  }
  return () => (begun ??= untilThere())
}

/** How the streams wait, given as arguments so that tests own the time. */

/** Resolves after `ms`, or at once when `signal` is aborted; never rejects. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>
/** Milliseconds on a clock that only goes forward. */
export type Now = () => number

export const sleep: Sleep = (ms, signal) => wait(ms, signal)

/** Like `sleep`, but the network's return ends it: nobody should wait for a connection that is there. */
export const sleepUntilOnline: Sleep = (ms, signal) => wait(ms, signal, window)

function wait(ms: number, signal?: AbortSignal, network?: Window): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      network?.removeEventListener('online', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
    network?.addEventListener('online', end)
  })
}

const FIRST_MS = 250
const LONGEST_MS = 4000

/** Before try number `attempt`, counted from 1: 0.25 s, doubled each time up to 4 s. */
export function backoff(attempt: number): number {
  return Math.min(FIRST_MS * 2 ** (attempt - 1), LONGEST_MS)
}

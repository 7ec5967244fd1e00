import { ApiError, errorOf, problemOf } from '@/api/client'
import type { FleetReport, Problem } from '@/api/wire'
import { readFrames, unlessSilent } from '@/stream/frames'
import { backoff, sleep, type Sleep } from '@/stream/wait'

export type FleetEvent =
  | { kind: 'report'; report: FleetReport }
  /** The stream ended or could not be opened; the next attempt follows after a pause. */
  | { kind: 'cut'; attempt: number }
  /** The server will not send it, whatever we do: no more attempts. */
  | { kind: 'refused'; problem: Problem }

export interface Means {
  signal: AbortSignal
  fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Between two tries; may end early. */
  pause: Sleep
  /** Until silence counts as a cut. */
  sleep?: Sleep
}

/**
 * Every report of the fleet, until `signal` is aborted: a cut stream is opened again, endlessly.
 *
 * Each report is whole, so nothing has to be asked for again after a cut.
 */
export async function* followFleet(means: Means): AsyncGenerator<FleetEvent, void> {
  for (let attempt = 1; !means.signal.aborted; attempt++) {
    try {
      for await (const report of reports(means)) {
        attempt = 0
        yield { kind: 'report', report }
      }
    } catch (error) {
      // Anything else is a cut, a lost network or a report that is no JSON: the next one may be well.
      if (isRefusal(error)) return yield { kind: 'refused', problem: problemOf(error) }
    }
    if (means.signal.aborted) return
    attempt = Math.max(attempt, 1)
    yield { kind: 'cut', attempt }
    await means.pause(backoff(attempt), means.signal)
  }
}

async function* reports(means: Means): AsyncGenerator<FleetReport, void> {
  const patience = means.sleep ?? sleep
  const request: RequestInit = {
    headers: { accept: 'text/event-stream' },
    signal: means.signal,
    cache: 'no-store',
  }
  const response = await unlessSilent(means.fetch('/api/fleet/events', request), patience)
  if (!response.ok || !response.body) throw await errorOf(response)
  for await (const { event, data } of readFrames(response.body, patience)) {
    if (event === 'fleet') yield JSON.parse(data) as FleetReport
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return error.status >= 400 && error.status < 500 && ![408, 425, 429].includes(error.status)
}

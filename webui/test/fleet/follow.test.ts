import { describe, expect, it } from 'vitest'
import { followFleet, type FleetEvent } from '@/fleet/follow'

const never = (): Promise<void> => new Promise(() => undefined)
const report = (time: number): string =>
  `event: fleet\ndata: {"time":${time},"state":"ok","missing":[],"processes":[]}\n\n`

/** What happens over these responses in turn, until the last one is used up. */
async function happened(...responses: (Response | Error)[]): Promise<[FleetEvent[], number[]]> {
  const over = new AbortController()
  const pauses: number[] = []
  const events: FleetEvent[] = []
  const fetch = async (): Promise<Response> => {
    const next = responses.shift() ?? over.abort()
    if (next instanceof Response) return next
    throw next ?? new Error('aborted')
  }
  const pause = async (ms: number): Promise<void> => void pauses.push(ms)
  for await (const event of followFleet({ fetch, pause, sleep: never, signal: over.signal })) {
    events.push(event)
  }
  return [events, pauses]
}

const kinds = (events: FleetEvent[]): string[] =>
  events.map((event) => (event.kind === 'cut' ? `cut ${event.attempt}` : event.kind))

describe('followFleet', () => {
  it('hands on every report and opens a stream that ended again', async () => {
    const [events] = await happened(new Response(report(1) + report(2)), new Response(report(3)))
    expect(kinds(events)).toEqual(['report', 'report', 'cut 1', 'report', 'cut 1'])
  })
  it('counts failures in a row and waits longer each time', async () => {
    const busy = (): Response => new Response('', { status: 503 })
    const [events, pauses] = await happened(new TypeError('lost'), busy(), busy(), new Response(report(1)))
    expect(kinds(events)).toEqual(['cut 1', 'cut 2', 'cut 3', 'report', 'cut 1'])
    expect(pauses).toEqual([250, 500, 1000, 250])
  })
  it('ends with the reason when the server refuses', async () => {
    const body = JSON.stringify({ error: { code: 'forbidden', message: 'only for operators' } })
    const [events] = await happened(new Response(body, { status: 403 }))
    expect(events).toEqual([
      { kind: 'refused', problem: { code: 'forbidden', message: 'only for operators' } },
    ])
  })
  it('treats a report that is no JSON as a cut', async () => {
    const [events] = await happened(new Response('event: fleet\ndata: {"ti\n\n'))
    expect(kinds(events)).toEqual(['cut 1'])
  })
  it('ignores comments and events it does not know', async () => {
    const [events] = await happened(new Response(`: ping\n\nevent: news\ndata: 1\n\n${report(1)}`))
    expect(kinds(events)).toEqual(['report', 'cut 1'])
  })
})

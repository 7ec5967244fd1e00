import { describe, expect, it } from 'vitest'
import type { FleetReport, ProcessReport } from '@/api/wire'
import { isUp, needsThought, troubled, unserved, wordOf } from '@/fleet/report'

function worker(name: string, part: Partial<ProcessReport> = {}): ProcessReport {
  return {
    name: `model_worker ${name}`,
    role: 'model_worker',
    status: 'ready',
    detail: '',
    pid: 7,
    address: null, path: '', instead_of: '',
    memory_bytes: null,
    restarts: 0,
    since: null,
    models: ['mini'],
    abilities: [],
    slots: 4,
    running: null,
    waiting: null,
    in_flight: null,
    served: null,
    failed: null,
    latency: null,
    can: ['stop', 'restart', 'drain'],
    ...part,
  }
}
const report = (processes: ProcessReport[], missing: string[] = []): FleetReport => ({
  time: 0,
  state: missing.length ? 'degraded' : 'ok',
  missing,
  processes,
})

describe('an order', () => {
  const [one, twin] = [worker('one'), worker('twin')]
  it.each([
    ['to stop is always asked about', [one, twin], 'stop', true],
    ['to drain the last worker of a model is asked about', [one], 'drain', true],
    ['to drain one of two is not', [one, twin], 'drain', false],
    ['to restart is not', [one], 'restart', false],
  ] as const)('%s', (_, processes, action, asked) => {
    expect(needsThought(report([...processes]), { process: one, action })).toBe(asked)
  })
  it('to start a worker that drains lets it take requests again', () => {
    const draining = worker('one', { status: 'draining', can: ['start', 'stop'] })
    expect(wordOf({ process: draining, action: 'start' })).toBe('resume')
    expect(wordOf({ process: draining, action: 'stop' })).toBe('stop')
    expect(wordOf({ process: worker('one', { status: 'stopped' }), action: 'start' })).toBe('start')
  })
})

describe('trouble', () => {
  it('is a process that is not ready, and the models that nobody else serves', () => {
    const lost = worker('lost', { status: 'stopped', pid: null, models: ['mini', 'rare'] })
    const all = report([worker('mini'), lost], ['model_worker lost is stopped'])
    expect(troubled(all)).toEqual([lost])
    expect(unserved(all)).toEqual(['rare'])
  })
  it('is a ready process that the server has something to say about', () => {
    const online = worker('web', { name: 'online_api web', role: 'online_api' })
    expect(troubled(report([online], ['online_api web waits for the provider']))).toEqual([online])
    expect(troubled(report([online], ['online_api webby is stopped']))).toEqual([])
  })
  it('is not there when all is well', () => expect(troubled(report([worker('mini')]))).toEqual([]))
})

it('only what does its work has an uptime', () => {
  const up = ['ready', 'draining', 'suspect', 'stopped', 'quarantined', 'loading']
  expect(up.map((status) => isUp(worker('a', { status })))).toEqual([true, true, true, false, false, false])
})

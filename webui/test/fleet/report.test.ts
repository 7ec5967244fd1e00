import { describe, expect, it } from 'vitest'
import type { FleetReport, ProcessReport } from '@/api/wire'
import { isElsewhere, servedAlone, shortName, split, toneOf, totalsOf, whyNot } from '@/fleet/report'

function process(part: Partial<ProcessReport> = {}): ProcessReport {
  return {
    name: 'model_worker mini',
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
const report = (...processes: ProcessReport[]): FleetReport => ({
  time: 0,
  state: 'ok',
  missing: [],
  processes,
})
const gateway = process({ name: 'openai_api', role: 'openai_api', models: [], slots: null, can: [] })

describe('split', () => {
  it('puts the workers with trouble first and services apart', () => {
    const sick = process({ name: 'model_worker z', status: 'quarantined', pid: null })
    const silent = process({ name: 'model_worker y', status: 'suspect' })
    const { workers, services } = split(report(gateway, process(), silent, sick))
    expect(workers.map(shortName)).toEqual(['z', 'y', 'mini'])
    expect(services).toEqual([gateway])
  })
  it('counts a worker that has not loaded its model yet as a worker', () => {
    const loading = process({ models: [], slots: null, status: 'loading' })
    expect(split(report(loading)).workers).toHaveLength(1)
  })
})

describe('totalsOf', () => {
  it('adds what is known, and takes the word of a worker this gateway sent nothing to', () => {
    const exact = process({ in_flight: 3, running: 1, waiting: 2, served: 10, failed: 1 })
    const told = process({ name: 'b', running: 2, waiting: 1, served: 5 })
    expect(totalsOf(report(exact, told, gateway))).toEqual({
      inFlight: 6,
      waiting: 3,
      served: 15,
      failed: 1,
    })
  })
})

describe('servedAlone', () => {
  it('names the models that go with a worker, not those of a twin', () => {
    const one = process({ models: ['mini', 'rare'] })
    const twin = process({ name: 'twin', models: ['mini'] })
    expect(servedAlone(report(one, twin), one)).toEqual(['rare'])
  })
  it('does not count on a worker that is not ready', () => {
    const twin = process({ name: 'twin', status: 'loading' })
    expect(servedAlone(report(process(), twin), process())).toEqual(['mini'])
  })
})

describe('whyNot', () => {
  const stopped = process({ status: 'stopped', pid: null, can: ['start'] })
  it.each([
    ['what is offered', process(), 'stop', null],
    ['starting what runs', process(), 'start', 'running'],
    ['stopping what is stopped', stopped, 'stop', 'notRunning'],
    ['draining twice', process({ status: 'draining', can: ['stop'] }), 'drain', 'draining'],
    ['draining while it loads', process({ status: 'loading', can: ['stop'] }), 'drain', 'busy'],
    ['a worker of another machine', process({ pid: null, can: [] }), 'restart', 'elsewhere'],
    ['a service', gateway, 'stop', 'core'],
  ] as const)('%s: %#', (_, one, action, why) => expect(whyNot(one, action)).toBe(why))
})

it('a status nobody has heard of is calm, not an error', () => expect(toneOf('dreaming')).toBe('off'))
it('a process in quarantine has no pid and is still ours', () =>
  expect(isElsewhere(process({ status: 'quarantined', pid: null }))).toBe(false))
it('an address is shown without its scheme', () =>
  expect(shortName(process({ name: 'http://10.0.0.12:21002', role: 'worker' }))).toBe('10.0.0.12:21002'))

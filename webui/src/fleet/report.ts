import type { FleetReport, ProcessReport } from '@/api/wire'

/** What a status asks of the reader: nothing, patience, a look, a deed. `off`: not running. */
export type Tone = 'good' | 'moving' | 'warning' | 'bad' | 'off'
export type Action = ProcessReport['can'][number]

export const ACTIONS: readonly Action[] = ['start', 'restart', 'drain', 'stop']

/** Something an operator wants of a process. */
export interface Order {
  process: ProcessReport
  action: Action
}

const TONES: Record<string, Tone> = {
  ready: 'good',
  waiting: 'moving',
  starting: 'moving',
  loading: 'moving',
  stopping: 'moving',
  draining: 'moving',
  backoff: 'warning',
  suspect: 'warning',
  quarantined: 'bad',
  gone: 'bad',
  stopped: 'off',
  asleep: 'off',
}

export interface Totals {
  inFlight: number
  waiting: number
  served: number
  failed: number
}

export function toneOf(status: string): Tone {
  return TONES[status] ?? 'off'
}

/** Whether requests are sent to it, now or once it is up. */
export function isWorker(process: ProcessReport): boolean {
  return process.models.length > 0 || process.slots !== null || /worker|^online_api$/.test(process.role)
}

/** Without its role, which stands beside it, or a scheme: "model_worker mini" is "mini". */
export function shortName({ name, role }: ProcessReport): string {
  const short = name.startsWith(`${role} `) ? name.slice(role.length + 1) : name
  return short.replace(/^https?:\/\//, '')
}

/** Whether it belongs to another machine: it serves, yet no process of this one. */
export function isElsewhere(process: ProcessReport): boolean {
  return process.pid === null && isUp(process)
}

/** Whether it does its work, though perhaps nothing new is sent to it. */
export function isUp({ status }: ProcessReport): boolean {
  return ['ready', 'suspect', 'draining'].includes(status)
}

/** Workers with the greatest trouble first, then by name; services as the launcher starts them. */
export function split(report: FleetReport): { workers: ProcessReport[]; services: ProcessReport[] } {
  const workers = report.processes.filter(isWorker)
  const trouble = ({ status }: ProcessReport) => ['bad', 'warning'].indexOf(toneOf(status))
  const rank = (process: ProcessReport) => (trouble(process) < 0 ? 2 : trouble(process))
  workers.sort((a, b) => rank(a) - rank(b) || shortName(a).localeCompare(shortName(b), 'en', { numeric: true }))
  return { workers, services: report.processes.filter((process) => !isWorker(process)) }
}

/** Requests sent to it and not finished: this gateway's exact count, or else what it says itself. */
export function inFlightOf(process: ProcessReport): number | null {
  if (process.in_flight !== null) return process.in_flight
  return process.running === null ? null : process.running + (process.waiting ?? 0)
}

export function totalsOf(report: FleetReport): Totals {
  const totals = { inFlight: 0, waiting: 0, served: 0, failed: 0 }
  for (const process of report.processes.filter(isWorker)) {
    totals.inFlight += inFlightOf(process) ?? 0
    totals.waiting += process.waiting ?? 0
    totals.served += process.served ?? 0
    totals.failed += process.failed ?? 0
  }
  return totals
}

/** The models that nobody but this process serves now. */
export function servedAlone(report: FleetReport, process: ProcessReport): string[] {
  const others = report.processes.filter(
    (other) => other.name !== process.name && other.status === 'ready',
  )
  return process.models.filter((model) => !others.some((other) => other.models.includes(model)))
}

/** What `start` is called here: a worker that drains runs already, and only takes requests again. */
export function wordOf({ process, action }: Order): Action | 'resume' {
  return action === 'start' && process.status === 'draining' ? 'resume' : action
}

/** Whether an operator should think twice: it ends a worker, or leaves a model without any. */
export function needsThought(report: FleetReport, { process, action }: Order): boolean {
  return action === 'stop' || (action === 'drain' && servedAlone(report, process).length > 0)
}

/** Those that are not as they should be, or that the server has something to say about. */
export function troubled(report: FleetReport): ProcessReport[] {
  const isNamed = ({ name }: ProcessReport) => report.missing.some((words) => words.startsWith(`${name} `))
  return report.processes.filter((process) => toneOf(process.status) !== 'good' || isNamed(process))
}

/** Models of processes that are here, and that nobody serves now. */
export function unserved(report: FleetReport): string[] {
  const served = report.processes.filter(({ status }) => status === 'ready').flatMap(({ models }) => models)
  const models = troubled(report).flatMap((process) => process.models)
  return [...new Set(models)].filter((model) => !served.includes(model))
}

export type Cannot = 'elsewhere' | 'running' | 'notRunning' | 'draining' | 'busy' | 'core' | 'now'

/** Why an action is not offered; null when it is. */
export function whyNot(process: ProcessReport, action: Action): Cannot | null {
  if (process.can.includes(action)) return null
  const running = process.pid !== null || process.status === 'ready'
  if (!isWorker(process)) return 'core'
  if (isElsewhere(process)) return 'elsewhere'
  if (action === 'start' && running) return 'running'
  if (action !== 'start' && process.status === 'stopped') return 'notRunning'
  if (action === 'drain' && process.status === 'draining') return 'draining'
  return toneOf(process.status) === 'moving' ? 'busy' : 'now'
}

import { useI18n } from 'vue-i18n'
import type { ProcessReport } from '@/api/wire'
import * as format from '@/fleet/format'
import { inFlightOf, isElsewhere, isUp, shortName } from '@/fleet/report'

export type LatencyKind = 'firstByte' | 'whole'

function latencies({ latency }: ProcessReport, kind: LatencyKind) {
  if (kind === 'whole') return { p50: latency?.whole_p50_s, p95: latency?.whole_p95_s }
  return { p50: latency?.first_byte_p50_s, p95: latency?.first_byte_p95_s }
}

/** What the table and the cards say about a process, in the reader's language. */
export function useFigures() {
  const { t, te, locale } = useI18n()

  /** A word of this page, or the server's own where it has one we do not know. */
  function word(kind: 'role' | 'status', name: string): string {
    const key = `fleet.${kind}.${name}`
    return te(key) || te(key, 'en') ? t(key) : name
  }

  function hint(status: string): string {
    const key = `fleet.statusHint.${status}`
    return te(key) ? t(key) : ''
  }

  function inFlight(process: ProcessReport): string {
    const used = format.count(inFlightOf(process), locale.value)
    if (process.slots === null) return used
    return t('fleet.outOf', { used, slots: format.count(process.slots, locale.value) })
  }

  /** As the cards call it: a worker by its own name, a part of the server by what it does. */
  function nameOf(process: ProcessReport): string {
    return process.name === process.role ? word('role', process.role) : shortName(process)
  }

  function roleOf(process: ProcessReport): string {
    const role = word('role', process.role)
    return isElsewhere(process) ? `${role} · ${t('fleet.elsewhere')}` : role
  }

  return {
    nameOf,
    /** Below the name: what kind it is, or what the command line calls it. */
    kindOf: (process: ProcessReport) =>
      nameOf(process) === word('role', process.role) ? process.name : roleOf(process),
    statusOf: (process: ProcessReport) => word('status', process.status),
    hintOf: (process: ProcessReport) => hint(process.status),
    /** Empty when the status says it all. */
    detailOf: (process: ProcessReport) => process.detail || process.path || hint(process.status),
    inFlight,
    waiting: ({ waiting }: ProcessReport) => format.count(waiting, locale.value),
    latency: (process: ProcessReport, kind: LatencyKind, part: 'p50' | 'p95') =>
      format.seconds(latencies(process, kind)[part], locale.value),
    bothLatencies: (process: ProcessReport, kind: LatencyKind) => {
      const { p50, p95 } = latencies(process, kind)
      return format.pair(p50, p95, locale.value)
    },
    memory: (process: ProcessReport) => format.bytes(process.memory_bytes, locale.value),
    restarts: ({ restarts }: ProcessReport) =>
      t('fleet.restarted', { n: format.count(restarts, locale.value) }, restarts),
    /** `now`: the time of the report, by the server's clock. Nothing for what is not up. */
    uptime: (process: ProcessReport, now: number) =>
      format.age(isUp(process) && process.since !== null ? Math.max(now - process.since, 0) : null, locale.value),
  }
}

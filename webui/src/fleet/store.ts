import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { actOnWorker, problemOf } from '@/api/client'
import type { FleetReport, Problem } from '@/api/wire'
import { followFleet, type FleetEvent } from '@/fleet/follow'
import { remember, type Sample } from '@/fleet/history'
import { totalsOf, type Action } from '@/fleet/report'
import { sleepUntilOnline, type Sleep } from '@/stream/wait'

/** The fleet as it is now, while at least one part of the page wants to see it. */
export const useFleet = defineStore('fleet', () => {
  const report = shallowRef<FleetReport | null>(null)
  const samples = shallowRef<readonly Sample[]>([])
  /** Attempts since the stream was cut; 0 while it flows. */
  const attempt = ref(0)
  const refused = shallowRef<Problem | null>(null)
  const totals = computed(() => (report.value ? totalsOf(report.value) : null))
  let watchers = 0
  let following: AbortController | null = null
  let pausing = new AbortController()

  function fold(event: FleetEvent): void {
    if (event.kind === 'cut') attempt.value = event.attempt
    if (event.kind === 'refused') refused.value = event.problem
    if (event.kind !== 'report') return
    attempt.value = 0
    refused.value = null
    report.value = event.report
    const { inFlight, waiting } = totalsOf(event.report)
    samples.value = remember(samples.value, { time: event.report.time, inFlight, waiting })
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const pause: Sleep = (ms, ended) => {
      pausing = new AbortController()
      return sleepUntilOnline(ms, AbortSignal.any([pausing.signal, ...(ended ? [ended] : [])]))
    }
    const events = followFleet({ fetch: (url, init) => fetch(url, init), pause, signal })
    for await (const event of events) fold(event)
  }

  /** Call what it returns when it is no longer shown. */
  function watch(): () => void {
    watchers += 1
    if (watchers === 1) start()
    return () => {
      watchers -= 1
      if (watchers === 0) end()
    }
  }

  function start(): void {
    following = new AbortController()
    refused.value = null
    void follow(following.signal)
  }

  function end(): void {
    following?.abort()
    attempt.value = 0
  }

  function retryNow(): void {
    if (refused.value) {
      end()
      start()
    } else {
      pausing.abort()
    }
  }

  /** Null when the server took it on; what it does shows in the reports. */
  async function act(name: string, action: Action): Promise<Problem | null> {
    try {
      await actOnWorker(name, action)
      return null
    } catch (error) {
      return problemOf(error)
    }
  }

  return { report, samples, totals, attempt, refused, watch, retryNow, act }
})

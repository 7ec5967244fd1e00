import { createApp, h, nextTick, type App, type Component } from 'vue'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FleetReport, ProcessReport } from '@/api/wire'
import FleetHealth from '@/components/fleet/FleetHealth.vue'
import OrderDialog from '@/components/fleet/OrderDialog.vue'
import WorkerCard from '@/components/fleet/WorkerCard.vue'
import { i18n, setLanguage } from '@/i18n'

const nothing = { address: null, path: '', instead_of: '', memory_bytes: null, slots: null, running: null, waiting: null, in_flight: null }
const mini: ProcessReport = {
  ...nothing,
  ...{ served: null, failed: null, latency: null, abilities: [], restarts: 0, since: 100, pid: null },
  name: 'model_worker mini',
  role: 'model_worker',
  status: 'stopped',
  detail: 'by an operator',
  models: ['mini'],
  can: ['start'],
}
const gateway = { ...mini, name: 'openai_api', role: 'openai_api', status: 'ready', detail: '', models: [], pid: 5 }
const report: FleetReport = {
  time: 160,
  state: 'degraded',
  missing: ['no worker serves mini', 'model_worker mini is stopped: by an operator'],
  processes: [mini, gateway],
}

let app: App | undefined
async function mount(component: Component, props: object): Promise<HTMLElement> {
  const root = document.body.appendChild(document.createElement('div'))
  app = createApp(() => h(component, props))
  app.use(i18n)
  app.mount(root)
  await nextTick()
  return root
}
/** What a reader is shown in the language of the page. */
function own(root: HTMLElement): string {
  root.querySelectorAll('[lang=en]').forEach((part) => part.remove())
  return root.textContent
}
beforeEach(() => setLanguage('zh'))
afterEach(() => {
  app?.unmount()
  document.body.replaceChildren()
})

describe('the health of the fleet', () => {
  it('is told in the words of the page, the server’s sentences stand apart', async () => {
    const text = own(await mount(FleetHealth, { report }))
    expect(text).toContain('目前没有工作进程提供 mini。')
    expect(text).toContain('mini：已停止')
    expect(text).not.toMatch(/serves|stopped|model_worker/)
  })
  it('opens the server’s sentences where the processes show no trouble', async () => {
    const root = await mount(FleetHealth, { report: { ...report, processes: [gateway] } })
    expect(root.querySelector('details')!.open).toBe(true)
    expect(own(root)).toContain('服务器有一部分状态不正常。')
  })
})

describe('a card', () => {
  it('has no uptime while the worker is stopped', async () => {
    expect(own(await mount(WorkerCard, { process: mini, now: 160 }))).not.toContain('已运行')
  })
  it('calls a service by what it does', async () => {
    const root = await mount(WorkerCard, { process: gateway, services: true, now: 160 })
    expect(root.querySelector('h3')!.textContent).toBe('网关')
    expect(root.querySelector('[aria-label="网关 的操作"]')).not.toBeNull()
    expect(root.textContent).toContain('1 分')
  })
})

it('a worker that is drained as the last one is asked about by the name on its card', async () => {
  setLanguage('en')
  const process = { ...mini, status: 'ready', pid: 7, running: 2 }
  await mount(OrderDialog, { report: { ...report, processes: [process] }, modelValue: { process, action: 'drain' } })
  const text = document.body.textContent
  expect(text).toContain('Drain mini?')
  expect(text).toContain('2 requests are at it now.')
  expect(text).toContain('No other worker serves mini.')
})

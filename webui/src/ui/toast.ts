import { shallowRef } from 'vue'

export interface ToastAction {
  label: string
  run: () => void
}

export interface ToastContent {
  text: string
  tone?: 'plain' | 'danger'
  action?: ToastAction
}

export interface Toast extends ToastContent {
  id: number
}

const MOST = 3
const STAY_MS = 5_000
const STAY_WITH_ACTION_MS = 8_000

export const toasts = shallowRef<Toast[]>([])
let last = 0

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id)
}

/** Say something for a few seconds at the bottom of the window; screen readers hear it too. */
export function toast(content: ToastContent): void {
  const id = ++last
  toasts.value = [...toasts.value, { ...content, id }].slice(-MOST)
  setTimeout(() => dismiss(id), content.action ? STAY_WITH_ACTION_MS : STAY_MS)
}

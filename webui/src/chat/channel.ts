/** Word from one tab to the others of the same browser that a conversation has changed. */

type Hearer = (conversationId: string) => void

const NAME = 'shortline.conversations'
let shared: BroadcastChannel | null | undefined

function channel(): BroadcastChannel | null {
  if (shared === undefined) {
    shared = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(NAME)
  }
  return shared
}

export function announce(conversationId: string): void {
  channel()?.postMessage(conversationId)
}

/** Returns what ends it. Without channels in this browser, polling alone brings the news. */
export function hear(hearer: Hearer): () => void {
  const on = channel()
  const listener = (event: MessageEvent<unknown>): void => {
    if (typeof event.data === 'string') hearer(event.data)
  }
  on?.addEventListener('message', listener)
  return () => on?.removeEventListener('message', listener)
}

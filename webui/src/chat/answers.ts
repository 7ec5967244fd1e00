/** The answers that are being made, whichever conversation the reader is looking at. */

import { defineStore } from 'pinia'
import * as api from '@/api/client'
import type { ChatRequest, Message } from '@/api/wire'
import { useConversations } from '@/chat/conversations'
import { announce } from '@/chat/channel'
import { endedAs, isRunning, isStored, type Turn } from '@/chat/turn'
import { perFrame } from '@/lib/frame'
import { ask as askEvents, follow as followEvents } from '@/stream/answer'
import type { AnswerEvent } from '@/stream/events'
import { fold } from '@/stream/fold'
import { backoff, sleepUntilOnline } from '@/stream/wait'

type Listener = (turn: Turn) => void

interface Live {
  turn: Turn
  abort: AbortController
}

const STOP_TRIES = 6

export const useAnswers = defineStore('answers', () => {
  const conversations = useConversations()
  const lives = new Map<string, Live>()
  const listeners = new Set<Listener>()
  const changed = new Set<Live>()
  const frame = perFrame(() => {
    const batch = [...changed]
    changed.clear()
    for (const live of batch) for (const listener of listeners) listener(live.turn)
  })

  /** `listener` is called with every new state of any answer, at most once per frame each. */
  function listen(listener: Listener): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  function publish(live: Live, turn: Turn, isUrgent: boolean): void {
    if (turn === live.turn) return
    live.turn = turn
    changed.add(live)
    if (isUrgent) frame.now()
    else frame.ask()
  }

  async function run(turn: Turn, open: (signal: AbortSignal) => AsyncIterable<AnswerEvent>): Promise<void> {
    const live: Live = { turn, abort: new AbortController() }
    lives.set(turn.key, live)
    try {
      for await (const event of open(live.abort.signal)) receive(live, event)
    } catch (error) {
      const problem = api.problemOf(error)
      receive(live, { kind: 'refused', problem, status: 0, stored: isStored(live.turn) })
    } finally {
      // The same question may have been asked again under the same key meanwhile.
      if (lives.get(turn.key) === live) lives.delete(turn.key)
    }
  }

  function receive(live: Live, event: AnswerEvent): void {
    const next = fold(live.turn, event)
    publish(live, next, event.kind === 'opened' || next.phase === 'done')
    if (event.kind === 'opened') {
      conversations.patch(event.conversationId, { running: true })
      announce(event.conversationId)
      void conversations.refresh()
      if (live.turn.stopping) void confirmStop(live)
    }
    if (event.kind === 'reconnecting' && next.stopping && !isStored(next)) giveUp(live)
    if (next.phase !== 'done' || !isStored(next)) return
    left(next, event)
    if (event.kind === 'refused') void readStored(live)
  }

  /** Nobody tells any more how the answer goes on, but it may have ended: then that is shown. */
  async function readStored(live: Live): Promise<void> {
    const { id, conversation_id: of } = live.turn
    try {
      const { items } = await api.listMessages(of)
      const message = items.find((item) => item.id === id)
      if (message && message.status !== 'running') publish(live, endedAs(live.turn, message), true)
    } catch {
      // What was seen of it stays, with the reason why there is no more.
    }
  }

  function left(turn: Turn, event: AnswerEvent): void {
    const name = event.kind === 'done' ? event.frame.conversation_name : ''
    conversations.patch(turn.conversation_id, { running: false, ...(name ? { name } : {}) })
    announce(turn.conversation_id)
    void conversations.refresh()
  }

  const ask = (turn: Turn, body: ChatRequest): Promise<void> =>
    run(turn, (signal) => askEvents(body, turn.key, { signal }))

  const follow = (turn: Turn): Promise<void> =>
    run(turn, (signal) => followEvents(turn.id, turn.length, { signal }))

  /** The live state of a message that is being answered and listened to. */
  function find(messageId: string): Turn | undefined {
    for (const live of lives.values()) if (live.turn.id === messageId) return live.turn
    return undefined
  }

  /** Ends an answer. Resolves when the server has said so, or when it was never there. */
  async function stop(key: string): Promise<void> {
    const live = lives.get(key)
    if (!live || live.turn.stopping) return
    publish(live, { ...live.turn, stopping: true }, true)
    if (isStored(live.turn)) return confirmStop(live)
    // Nobody answers, so there may be nothing to stop: the question goes back to the reader.
    if (live.turn.reconnecting !== undefined) giveUp(live)
  }

  async function confirmStop(live: Live): Promise<void> {
    for (let attempt = 1; isRunning(live.turn); attempt++) {
      try {
        return settle(live, await api.stopMessage(live.turn.id))
      } catch (error) {
        const isFinal = error instanceof api.ApiError && error.status >= 400 && error.status < 500
        if (isFinal || attempt >= STOP_TRIES) {
          return publish(live, { ...live.turn, stopping: undefined }, true)
        }
        await sleepUntilOnline(backoff(attempt))
      }
    }
  }

  /** The stored message is the last word; while it still runs, the stream goes on telling. */
  function settle(live: Live, message: Message): void {
    if (message.status === 'running' || !isRunning(live.turn)) return
    publish(live, endedAs(live.turn, message), true)
    live.abort.abort()
    left(live.turn, { kind: 'connected' })
  }

  function giveUp(live: Live): void {
    const problem = { code: 'not_sent', message: '' }
    receive(live, { kind: 'refused', problem, status: 0, stored: false })
    live.abort.abort()
  }

  return { ask, follow, find, stop, listen }
})

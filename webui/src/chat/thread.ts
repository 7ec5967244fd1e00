/** The open conversation: one branch of its tree, from the newest page up. */

import { defineStore } from 'pinia'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import * as api from '@/api/client'
import type { Conversation, GenerationSettings, MessagePage, Problem } from '@/api/wire'
import { useAnswers } from '@/chat/answers'
import { lastStored, requestOf, sameSettings, turnFor, type Question } from '@/chat/compose'
import { useConversations } from '@/chat/conversations'
import { draftOf, keepDraft } from '@/chat/drafts'
import { merged } from '@/chat/merge'
import { isRunning, isStored, turnOf, type Turn } from '@/chat/turn'
import { randomKey } from '@/lib/ids'

export type { Phase, Turn } from '@/chat/turn'

const LAST_MODEL = 'shortline.model'
const SETTLE_MS = 400

export const useThread = defineStore('thread', () => {
  const answers = useAnswers()
  const conversations = useConversations()
  const id = ref<string | null>(null)
  const conversation = shallowRef<Conversation | null>(null)
  const turns = shallowRef<Turn[]>([])
  const more = ref(false)
  const loading = ref(false)
  const problem = shallowRef<Problem | null>(null)
  const model = ref(localStorage.getItem(LAST_MODEL) ?? '')
  const settings = ref<GenerationSettings>(api.noSettings())
  const busy = computed(() => turns.value.some(isRunning))
  /** Counts what makes an answer of the server that is still under way worthless. */
  let epoch = 0
  /** Deleted elsewhere while it was open: what is shown stays, and there is nothing to look for. */
  let isGone = false
  /** Keys of answers of this tab that were looked for because they are not shown. */
  const sought = new Set<string>()

  function reset(to: string | null): void {
    epoch++
    isGone = false
    sought.clear()
    turns.value.filter((turn) => !isRunning(turn)).forEach(keepUnsent)
    id.value = to
    conversation.value = null
    turns.value = []
    more.value = false
    problem.value = null
    loading.value = false
  }

  async function open(to: string | null): Promise<void> {
    if (to !== null && to === id.value && !problem.value) return refresh()
    flushChoice()
    reset(to)
    if (to === null) {
      settings.value = api.noSettings()
      model.value = localStorage.getItem(LAST_MODEL) ?? ''
      return
    }
    await guarded(async (isCurrent) => {
      const isListed = conversations.items.some((item) => item.id === to)
      // Of one that may not exist nothing more is asked until it is known to.
      const reading = isListed ? api.listMessages(to) : undefined
      const [row, page] = await Promise.all([api.getConversation(to), reading])
      const messages = page ?? (await api.listMessages(to))
      if (!isCurrent()) return
      adopt(row)
      show(messages)
    })
  }

  /** Runs `work`, with `loading` and `problem` set for as long as nothing else was begun. */
  async function guarded(work: (isCurrent: () => boolean) => Promise<void>): Promise<void> {
    const mine = epoch
    const isCurrent = (): boolean => mine === epoch
    loading.value = true
    problem.value = null
    try {
      await work(isCurrent)
    } catch (error) {
      if (isCurrent()) problem.value = api.problemOf(error)
    } finally {
      if (isCurrent()) loading.value = false
    }
  }

  function adopt(row: Conversation): void {
    conversation.value = row
    if (row.model) model.value = row.model
    settings.value = { ...api.noSettings(), ...row.settings }
  }

  function show(page: MessagePage, stay = true): void {
    const next = merged({ turns: turns.value, more: more.value }, page, answers.find, stay)
    turns.value = next.turns
    more.value = next.more
    listenTo(next.turns)
  }

  function listenTo(some: readonly Turn[]): void {
    for (const turn of some) {
      if (isRunning(turn) && isStored(turn) && !answers.find(turn.id)) void answers.follow(turn)
    }
  }

  /** Look for messages and answers that began elsewhere, without disturbing what is shown. */
  async function refresh(stay = true): Promise<void> {
    const of = id.value
    // Until a question has its id the stored branch is not the one before the reader.
    if (of === null || isGone || loading.value || turns.value.some((turn) => turn.phase === 'sending')) return
    const mine = epoch
    try {
      const [row, page] = await Promise.all([api.getConversation(of), api.listMessages(of)])
      if (mine !== epoch) return
      if (unedited()) adopt(row)
      else conversation.value = row
      show(page, stay)
    } catch (error) {
      if (mine !== epoch || !(error instanceof api.ApiError && error.status === 404)) return
      isGone = true
      problem.value = api.problemOf(error)
    }
  }

  async function loadOlder(): Promise<void> {
    const first = turns.value[0]
    if (!id.value || !first || !more.value || loading.value) return
    const of = id.value
    await guarded(async (isCurrent) => {
      const page = await api.listMessages(of, first.id)
      if (!isCurrent()) return
      const older = page.items.map((message) => answers.find(message.id) ?? turnOf(message))
      turns.value = [...older, ...turns.value]
      more.value = page.more
      listenTo(older)
    })
  }

  function begin(question: Question, before: Turn[], siblings: string[], key = randomKey()): void {
    epoch++
    loading.value = false
    problem.value = null
    const turn = turnFor(question, key, siblings, Date.now())
    turns.value = [...before, turn]
    if (question.model) localStorage.setItem(LAST_MODEL, question.model)
    void answers.ask(turn, requestOf(question))
  }

  function asked(query: string, parentId: string | null): Question {
    return {
      query,
      parentId,
      conversationId: id.value,
      model: model.value,
      settings: settings.value,
    }
  }

  /** False: there is nothing to send, or an answer is still being made. */
  function send(text: string): boolean {
    const query = text.trim()
    const isUnknown = id.value !== null && !conversation.value && turns.value.length === 0
    if (!query || busy.value || isUnknown) return false
    const stored = turns.value.filter(isStored)
    begin(asked(query, lastStored(stored)?.id ?? null), stored, [])
    return true
  }

  async function stop(): Promise<void> {
    await Promise.all(turns.value.filter(isRunning).map((turn) => answers.stop(turn.key)))
  }

  /** Another version beside a turn, which takes its place and that of all below it. */
  function branch(turnId: string, query?: string): void {
    const at = turns.value.findIndex((turn) => turn.id === turnId || turn.key === turnId)
    const turn = turns.value[at]
    if (!turn || busy.value) return
    const question = asked(query ?? turn.query, turn.parent_id)
    const above = turns.value.slice(0, at)
    if (isStored(turn)) return begin(question, above, turn.siblings)
    // Nobody knows whether it arrived. The same question with the same key cannot be asked twice;
    // only where its text is another one is it a new question.
    const isSame =
      question.query === turn.query &&
      question.model === turn.model &&
      sameSettings(question.settings, turn.settings)
    begin(question, above, turn.siblings.filter(Boolean), isSame ? turn.key : undefined)
  }

  const regenerate = (turnId: string): void => branch(turnId)
  const retry = (turnId: string): void => branch(turnId)
  const edit = (turnId: string, text: string): void => {
    if (text.trim()) branch(turnId, text.trim())
  }

  /** To the branch with this message, as far down as it goes. */
  async function goTo(messageId: string): Promise<void> {
    const of = id.value
    if (of === null || !messageId) return
    epoch++
    await guarded(async (isCurrent) => {
      const row = await api.changeConversation(of, { leaf_id: messageId })
      const page = await api.listMessages(of)
      if (!isCurrent()) return
      conversation.value = row
      const before = turns.value
      show(page, false)
      before.filter((turn) => !isRunning(turn) && !turns.value.includes(turn)).forEach(keepUnsent)
    })
  }

  function received(turn: Turn): void {
    const at = turns.value.findIndex((shown) => shown.key === turn.key)
    if (at >= 0) {
      turns.value = turns.value.with(at, turn)
      if (id.value === null && isStored(turn)) void entered(turn.conversation_id)
      return
    }
    if (isStored(turn)) {
      // It began in this tab while another conversation was open, and belongs to this one.
      if (turn.conversation_id === id.value && !shown(turn.id)) seek(turn)
    } else if (!isRunning(turn)) {
      keepUnsent(turn)
    }
  }

  /** Once for each: the reader may have left its branch, and every frame of it comes by here. */
  function seek(turn: Turn): void {
    if (loading.value || sought.has(turn.key)) return
    sought.add(turn.key)
    void refresh(false)
  }

  const shown = (messageId: string): boolean => turns.value.some((turn) => turn.id === messageId)

  /** A question that failed and is out of sight would be lost with its only copy. */
  function keepUnsent(turn: Turn): void {
    if (isStored(turn)) return
    const of = turn.conversation_id || null
    if (!draftOf(of)) keepDraft(of, turn.query)
  }

  /** The first question of a new conversation is stored: this is the conversation now. */
  async function entered(conversationId: string): Promise<void> {
    id.value = conversationId
    const mine = epoch
    try {
      const row = await api.getConversation(conversationId)
      if (mine === epoch) conversation.value = row
      conversations.upsert(row)
    } catch {
      // The list brings it with its next round.
    }
  }

  /** Whether model and settings are as the server has them. */
  function unedited(): boolean {
    const row = conversation.value
    return !row || (row.model === model.value && sameSettings(row.settings, settings.value))
  }

  async function saveChoice(): Promise<void> {
    const row = conversation.value
    if (!row || unedited()) return
    try {
      const change = { model: model.value, settings: { ...api.noSettings(), ...settings.value } }
      const next = await api.changeConversation(row.id, change)
      if (conversation.value?.id === next.id) conversation.value = next
    } catch {
      // The next question carries them too.
    }
  }

  let settling: ReturnType<typeof setTimeout> | undefined
  watch([model, settings], () => {
    clearTimeout(settling)
    settling = setTimeout(() => void saveChoice(), SETTLE_MS)
  }, { deep: true })

  /** What was chosen a moment ago is meant for the conversation that is about to be left. */
  function flushChoice(): void {
    clearTimeout(settling)
    void saveChoice()
  }

  onScopeDispose(answers.listen(received))
  return {
    id, conversation, turns, more, loading, problem, model, settings, busy,
    open, refresh, loadOlder, send, stop, regenerate, edit, retry, goTo,
  }
})

import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute, useRouter } from 'vue-router'
import { exportUrl, problemOf } from '@/api/client'
import { useConversations } from '@/chat/conversations'
import { useThread } from '@/chat/thread'
import { useProblemWords } from '@/components/chat/problemWords'
import { deleting, renaming } from '@/components/palette/asked'
import { available, type CommandId, type Context } from '@/components/palette/commands'
import { language, setLanguage } from '@/i18n'
import { useCopy } from '@/ui/copied'
import { focusComposer } from '@/ui/focus'
import { helpOpen, settingsOpen, sidebarOpen, toggleSidebar } from '@/ui/layout'
import { useTheme } from '@/ui/theme'
import { toast } from '@/ui/toast'

/** What can be done now, and how it is done: for the palette and for the keyboard. */
export function useCommands() {
  const { t } = useI18n()
  const words = useProblemWords()
  const route = useRoute()
  const router = useRouter()
  const thread = useThread()
  const conversations = useConversations()
  const { theme, setTheme } = useTheme()
  const { copy } = useCopy()

  const onFleet = computed(() => route.name === 'fleet')
  const open = computed(() => (onFleet.value ? null : thread.conversation))
  const answer = computed(() => thread.turns.findLast(({ text }) => text !== '')?.text ?? '')
  const context = computed<Context>(() => ({
    stored: open.value !== null,
    pinned: open.value?.pinned ?? false,
    hasTurn: !onFleet.value && thread.turns.length > 0,
    hasAnswer: !onFleet.value && answer.value !== '',
    busy: !onFleet.value && thread.busy,
    onFleet: onFleet.value,
    theme: theme.value,
    language: language(),
  }))

  async function startNew(): Promise<void> {
    sidebarOpen.value = false
    await router.push('/')
    // The page sets its own focus first when it has just been made.
    requestAnimationFrame(focusComposer)
  }

  async function copyAnswer(): Promise<void> {
    if (!context.value.hasAnswer) return toast({ text: t('palette.nothingToCopy') })
    const done = await copy(answer.value)
    toast({
      text: t(done ? 'palette.copied' : 'palette.copyFailed'),
      tone: done ? 'plain' : 'danger',
    })
  }

  async function pin(pinned: boolean): Promise<void> {
    if (!open.value) return
    try {
      await conversations.pin(open.value.id, pinned)
      await thread.refresh()
    } catch (error) {
      toast({ text: failure(error), tone: 'danger' })
    }
  }

  function failure(error: unknown): string {
    return t('palette.actionFailed', { why: words(problemOf(error)) })
  }

  function download(format: 'markdown' | 'json'): void {
    if (!open.value) return
    const link = document.createElement('a')
    link.href = exportUrl(open.value.id, format)
    link.download = ''
    link.click()
  }

  function regenerate(): void {
    const last = thread.turns.at(-1)
    if (last) void thread.regenerate(last.id || last.key)
  }

  const RUN: Record<CommandId, () => unknown> = {
    new: startNew,
    stop: () => thread.stop(),
    regenerate,
    copy: copyAnswer,
    settings: () => (settingsOpen.value = true),
    rename: () => (renaming.value = open.value),
    pin: () => pin(true),
    unpin: () => pin(false),
    markdown: () => download('markdown'),
    json: () => download('json'),
    delete: () => (deleting.value = open.value),
    chat: () => router.push(thread.id ? `/c/${thread.id}` : '/'),
    fleet: () => router.push('/fleet'),
    sidebar: toggleSidebar,
    light: () => setTheme('light'),
    dark: () => setTheme('dark'),
    system: () => setTheme('system'),
    english: () => setLanguage('en'),
    chinese: () => setLanguage('zh'),
    help: () => (helpOpen.value = true),
  }

  return {
    context,
    commands: computed(() => available(context.value)),
    run: (id: CommandId) => void RUN[id](),
    failure,
  }
}

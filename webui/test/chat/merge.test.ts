import { describe, expect, it } from 'vitest'
import type { Message, MessagePage } from '@/api/wire'
import { noSettings } from '@/api/client'
import { turnFor } from '@/chat/compose'
import { merged, type Shown } from '@/chat/merge'
import { endedAs, turnOf, type Turn } from '@/chat/turn'
import { id, message } from './server'

const page = (items: Message[], more = false): MessagePage => ({ items, leaf_id: items.at(-1)?.id ?? null, more })
const shown = (turns: Turn[], more = false): Shown => ({ turns, more })
const nobody = (): undefined => undefined
const below = (n: number, parent: number, change: Partial<Message> = {}): Message =>
  message(n, { parent_id: id(parent), ...change })
const names = (turns: Turn[]): (string | number)[] =>
  turns.map((turn) => (turn.id ? parseInt(turn.id, 16) : turn.query))

/** A question that the server has refused. */
function unsent(query: string, parentId: string | null, siblings: string[] = []): Turn {
  const question = { query, conversationId: id(100), parentId, model: 'm', settings: noSettings() }
  return { ...turnFor(question, query, siblings, 0), phase: 'done', status: 'failed' }
}

const chain = [message(1), below(2, 1), below(3, 2)]
const turns = chain.map((one) => turnOf(one))

describe('a page read again', () => {
  it('changes nothing where there is no news', () => {
    expect(merged(shown(turns), page(chain), nobody).turns).toBe(turns)
  })
  it('adds what is new, and keeps what was loaded above it', () => {
    const next = merged(shown(turns, true), page([below(3, 2), below(4, 3)]), nobody)
    expect(names(next.turns)).toEqual([1, 2, 3, 4])
    expect(next.turns[0]).toBe(turns[0])
    expect(next.more).toBe(true)
  })
  it('replaces what it does not touch any more', () => {
    const next = merged(shown(turns), page([below(70, 69), below(71, 70)], true), nobody)
    expect(names(next.turns)).toEqual([70, 71])
    expect(next.more).toBe(true)
  })
  it('cannot take back an end, nor text that a stream has brought', () => {
    const old = [...chain.slice(0, 2), below(3, 2, { status: 'running', response: '' })]
    expect(merged(shown(turns), page(old), nobody).turns).toBe(turns)
    const live = { ...turnOf(old[2]!), text: 'more', length: 4 }
    const next = merged(shown(turns.slice(0, 2)), page(old), (wanted) => (wanted === id(3) ? live : undefined))
    expect(next.turns[2]).toBe(live)
  })
  it('brings an end that was not heard of', () => {
    const running = turnOf(below(3, 2, { status: 'interrupted', response: 'ans' }))
    const next = merged(shown([...turns.slice(0, 2), running]), page(chain), nobody)
    expect(next.turns[2]).toMatchObject({ status: 'complete', text: 'answer 3', key: running.key })
  })
  it('tells of other versions', () => {
    const siblings = [id(3), id(9)]
    const next = merged(shown(turns), page([chain[0]!, chain[1]!, below(3, 2, { siblings })]), nobody)
    expect(next.turns[2]).toMatchObject({ siblings, key: turns[2]!.key })
    expect(next.turns[1]).toBe(turns[1])
  })
})

describe('a crash that has cost the server the last words of an answer', () => {
  const seen: Turn = { ...turnOf(below(3, 2, { status: 'interrupted', response: 'answer 3 and' })) }
  const stored = below(3, 2, { status: 'interrupted', response: 'answer 3' })

  it('does not take them from the reader', () => {
    const before = [...turns.slice(0, 2), seen]
    expect(merged(shown(before), page([...chain.slice(0, 2), stored]), nobody).turns).toBe(before)
  })
  it('lets its end be known all the same', () => {
    const failed: Message = { ...stored, error: { code: 'server_restarted', message: '' }, response: '' }
    expect(endedAs({ ...seen, status: 'complete' }, failed)).toMatchObject({
      status: 'interrupted', text: 'answer 3 and', length: 12, error: { code: 'server_restarted' }, key: seen.key,
    })
  })
  it('shows what is stored where that is another text or a longer one', () => {
    expect(endedAs(seen, { ...stored, response: 'else' }).text).toBe('else')
    expect(endedAs(seen, { ...stored, response: 'answer 3 and more' }).text).toBe('answer 3 and more')
  })
  it('shows what is stored after a reload', () => {
    expect(merged(shown([]), page([stored]), nobody).turns[0]!.text).toBe('answer 3')
  })
})

describe('a reader whose branch was left in another tab', () => {
  const siblings = [id(3), id(9)]
  const other = page([chain[0]!, chain[1]!, below(9, 2, { siblings })])

  it('stays where he is and is told of the other one', () => {
    const next = merged(shown(turns), other, nobody)
    expect(names(next.turns)).toEqual([1, 2, 3])
    expect(next.turns[2]).toMatchObject({ siblings, text: 'answer 3' })
    expect(merged(next, other, nobody).turns).toBe(next.turns)
  })
  it('keeps everything below the fork', () => {
    const deep = [...turns, turnOf(below(4, 3)), unsent('later', id(4))]
    expect(names(merged(shown(deep), other, nobody).turns)).toEqual([1, 2, 3, 4, 'later'])
  })
  it('stays at another first question too', () => {
    const next = merged(shown(turns), page([message(9, { siblings: [id(1), id(9)] })]), nobody)
    expect(names(next.turns)).toEqual([1, 2, 3])
  })
  it('goes there if he wants to', () => {
    expect(names(merged(shown(turns), other, nobody, false).turns)).toEqual([1, 2, 9])
  })
})

describe('a question that could not be stored', () => {
  it('stays at the end', () => {
    const before = [...turns, unsent('lost', id(3))]
    expect(merged(shown(before), page(chain), nobody).turns).toBe(before)
    const first = [unsent('lost', null)]
    expect(merged(shown(first), page([]), nobody).turns).toBe(first)
  })
  it('stays beside the question that another tab has asked in its place', () => {
    const before = [...turns, unsent('lost', id(3))]
    const next = merged(shown(before), page([...chain, below(4, 3)]), nobody)
    expect(names(next.turns)).toEqual([1, 2, 3, 'lost'])
    expect(next.turns[3]!.siblings).toEqual([id(4), ''])
  })
  it('stays in the place of the turn that it was to be a version of', () => {
    const before = [...turns.slice(0, 2), unsent('lost', id(2), [id(3), ''])]
    expect(names(merged(shown(before), page(chain), nobody).turns)).toEqual([1, 2, 'lost'])
  })
  it('gives way to itself where the server had it after all', () => {
    const before = [...turns, unsent('arrived', id(3), [''])]
    const next = merged(shown(before), page([...chain, below(4, 3, { query: 'arrived' })]), nobody)
    expect(names(next.turns)).toEqual([1, 2, 3, 4])
  })
})

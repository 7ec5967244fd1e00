import { describe, expect, it } from 'vitest'
import type { Message } from '@/api/wire'
import { turnOf } from '@/chat/turn'
import { branchesOf } from '@/components/chat/branches'

function turn(id: string, query: string, siblings: string[], versions: string[][] = []) {
  const message: Message = {
    id,
    query,
    siblings,
    versions,
    conversation_id: 'c',
    parent_id: null,
    chat_type: 'chat',
    response: 'yes',
    status: 'complete',
    model: 'm',
    settings: {},
    error: null,
    usage: null,
    finish_reason: 'stop',
    left_out: null,
    first_token_s: null,
    duration_s: null,
    create_time: 0,
  }
  return turnOf(message)
}

const queries: Record<string, string> = { a: 'one', b: 'one', c: 'two' }
const queryOf = (id: string): string | undefined => queries[id]

describe('branchesOf', () => {
  it('takes siblings with the same question for versions of the answer', () => {
    const branches = branchesOf(turn('a', 'one', ['a', 'b', 'c']), queryOf)
    expect(branches.answers).toEqual(['a', 'b'])
  })

  it('names each version of the question once, its own by itself', () => {
    expect(branchesOf(turn('a', 'one', ['a', 'b', 'c']), queryOf).questions).toEqual(['a', 'c'])
    expect(branchesOf(turn('c', 'two', ['a', 'b', 'c']), queryOf).questions).toEqual(['b', 'c'])
  })

  it('takes a sibling that was never seen for another answer', () => {
    const branches = branchesOf(turn('a', 'one', ['a', 'x']), queryOf)
    expect(branches).toEqual({ answers: ['a', 'x'], questions: ['a'] })
  })

  it('believes the server about siblings that were never seen', () => {
    const versions = [['a', 'x'], ['y', 'z']]
    const branches = branchesOf(turn('a', 'one', ['a', 'y', 'x', 'z'], versions), queryOf)
    expect(branches).toEqual({ answers: ['a', 'x'], questions: ['a', 'z'] })
  })

  it('knows a question that has no id yet', () => {
    const branches = branchesOf(turn('', 'two', ['a', '']), queryOf)
    expect(branches).toEqual({ answers: [''], questions: ['a', ''] })
  })
})

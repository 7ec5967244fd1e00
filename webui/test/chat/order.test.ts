import { describe, expect, it } from 'vitest'
import { groupByDate, inOrder, withFirstPage } from '@/chat/order'
import { conversation, id } from './server'

const numbers = (items: { id: string }[]): number[] => items.map((item) => parseInt(item.id, 16))

describe('the order of conversations', () => {
  it('is pinned ones first, then the newest, then by id', () => {
    const items = [
      conversation(1, { update_time: 5 }), conversation(2, { update_time: 9 }), conversation(3, { update_time: 9 }),
      conversation(4, { update_time: 1, pinned: true }),
    ]
    expect(numbers(items.sort(inOrder))).toEqual([4, 2, 3, 1])
  })
})

describe('groups', () => {
  it('are those that have something in them, pinned ones whatever their age', () => {
    const now = new Date('2026-03-10T12:00:00').getTime()
    const days = (count: number): number => now / 1000 - count * 86_400
    const items = [
      conversation(1, { update_time: days(400), pinned: true }), conversation(2, { update_time: days(0) }),
      conversation(3, { update_time: days(1) }), conversation(4, { update_time: days(400) }),
    ]
    expect(groupByDate(items, now).map(({ key, items: of }) => [key, numbers(of)])).toEqual([
      ['pinned', [1]], ['today', [2]], ['yesterday', [3]], ['earlier', [4]],
    ])
    expect(groupByDate([], now)).toEqual([])
  })
})

describe('a first page read again', () => {
  const rows = (...times: number[]) => times.map((time) => conversation(time))
  it('leaves what comes after its end', () => {
    expect(numbers(withFirstPage(rows(9, 8, 7, 6), rows(10, 9, 8), false))).toEqual([10, 9, 8, 7, 6])
  })
  it('takes away what is gone before its end', () => {
    expect(numbers(withFirstPage(rows(9, 8, 7, 6), rows(9, 7), false))).toEqual([9, 7, 6])
  })
  it('is the whole list where there is no further page', () => {
    expect(numbers(withFirstPage(rows(9, 8, 7), rows(9), true))).toEqual([9])
    expect(withFirstPage(rows(9), [], true)).toEqual([])
  })
  it('does not double what has moved up', () => {
    const moved = conversation(6, { update_time: 20 })
    expect(numbers(withFirstPage(rows(9, 8, 7, 6), [moved, ...rows(9)], false))).toEqual([6, 9, 8, 7])
    expect(moved.id).toBe(id(6))
  })
})

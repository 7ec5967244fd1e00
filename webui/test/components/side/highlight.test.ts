import { describe, expect, it } from 'vitest'
import { highlight } from '@/components/side/highlight'

const hits = (text: string, words: string): string[] =>
  highlight(text, words).filter((part) => part.hit).map((part) => part.text)

describe('highlight', () => {
  it('finds every place, in either case', () => {
    expect(hits('A port, the Port and PORTS', 'port')).toEqual(['port', 'Port', 'PORT'])
  })

  it('loses nothing of the text', () => {
    const parts = highlight('端口是 20000，端口', '端口')
    expect(parts.map((part) => part.text).join('')).toBe('端口是 20000，端口')
  })

  it('marks nothing for empty words', () => {
    expect(hits('anything', '  ')).toEqual([])
  })

  it('does not cut at wrong places where lower case is longer', () => {
    expect(highlight('İstanbul port', 'port')).toEqual([{ text: 'İstanbul port', hit: false }])
  })
})

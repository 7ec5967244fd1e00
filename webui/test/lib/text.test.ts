import { describe, expect, it } from 'vitest'
import { codePoints, skipCodePoints } from '@/lib/text'

const TEXTS = ['', 'plain', '世界', '😀', 'a😀b', '👩‍👩‍👧', '𠮷野家', '\ud800', 'a\udc00b', '\ud83d\ud83d\ude00']

describe('a text', () => {
  it.each(TEXTS)('is as long as its code points: %j', (text) => {
    expect(codePoints(text)).toBe([...text].length)
  })
  it.each(TEXTS)('can be cut behind each of them: %j', (text) => {
    const points = [...text]
    for (let count = 0; count <= points.length + 1; count++) {
      expect(skipCodePoints(text, count)).toBe(points.slice(count).join(''))
    }
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { addStyles } from '@/markdown/styles'

type Loading = HTMLElement & { href: string }
const added = (): Loading[] => [...document.head.querySelectorAll<Loading>('style')]

beforeEach(() => {
  // A real link fails in happy-dom as soon as it is added; this one waits for the test.
  const create = document.createElement.bind(document)
  vi.spyOn(document, 'createElement').mockImplementation(() => create('style'))
})
afterEach(() => {
  vi.restoreAllMocks()
  added().forEach((one) => one.remove())
})

describe('a style sheet', () => {
  it('is on the page once it is there', async () => {
    const done = addStyles('/a.css')
    added()[0]!.onload!(new Event('load'))
    await done
    expect(added().map((one) => one.href)).toEqual(['/a.css'])
  })
  it('that cannot be fetched leaves nothing behind, so that it is asked for again', async () => {
    const failed = addStyles('/a.css')
    added()[0]!.onerror!(new Event('error'))
    await expect(failed).rejects.toThrow('no style sheet at /a.css')
    expect(added()).toEqual([])
    const again = addStyles('/a.css')
    added()[0]!.onload!(new Event('load'))
    await again
    expect(added().length).toBe(1)
  })
})

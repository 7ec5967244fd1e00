import { afterEach, describe, expect, it, vi } from 'vitest'
import { copyText } from '@/lib/clipboard'

const old = document.execCommand
afterEach(() => {
  document.execCommand = old
  vi.unstubAllGlobals()
  document.body.innerHTML = ''
})

const withoutClipboard = (): void => void vi.stubGlobal('navigator', {})

describe('copying', () => {
  it('uses the clipboard of the browser', async () => {
    const writeText = vi.fn(async () => undefined)
    vi.stubGlobal('navigator', { clipboard: { writeText } })
    expect(await copyText('a\nb')).toBe(true)
    expect(writeText).toHaveBeenCalledWith('a\nb')
  })
  it('goes by a selection where there is none, and leaves nothing behind', async () => {
    withoutClipboard()
    document.body.innerHTML = '<button>x</button>'
    const button = document.querySelector('button')!
    button.focus()
    let selected = ''
    document.execCommand = () => {
      selected = document.querySelector('textarea')!.value
      return true
    }
    expect(await copyText('text')).toBe(true)
    expect(selected).toBe('text')
    expect(document.querySelector('textarea')).toBeNull()
    expect(document.activeElement).toBe(button)
  })
  it('says when the browser does not allow it', async () => {
    withoutClipboard()
    document.execCommand = () => {
      throw new Error('not allowed')
    }
    expect(await copyText('text')).toBe(false)
    expect(document.querySelector('textarea')).toBeNull()
  })
})

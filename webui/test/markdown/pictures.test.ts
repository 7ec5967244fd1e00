import { describe, expect, it } from 'vitest'
import { togglePicture } from '@/markdown/pictures'
import { page } from './helpers'

const PNG = 'data:image/png;base64,iVBORw0KGgo='
const chip = (text: string): HTMLElement | null => page(text).querySelector('[data-picture]')

describe('a picture that stands in the text', () => {
  it('is a button until it is wanted, and can be put away again', () => {
    const button = chip(`![a cat](${PNG})`)!
    const box = button.parentElement!
    expect(button.textContent).toBe('a cat')
    togglePicture(button)
    expect(box.querySelector('img')).toMatchObject({ src: PNG, alt: 'a cat' })
    togglePicture(button)
    expect(box.querySelector('img')).toBeNull()
  })
  it.each(['image/svg+xml;base64,PHN2Zz4=', 'text/html;base64,PGI+', 'image/png,abc', 'image/png;base64,<b>'])(
    'is never made of data:%s',
    (rest) => {
      expect(chip(`![x](<data:${rest}>)`)).toBeNull()
      const button = document.createElement('button')
      button.dataset.picture = `data:${rest}`
      document.createElement('span').append(button)
      togglePicture(button)
      expect(button.parentElement!.querySelector('img')).toBeNull()
    },
  )
  it('cannot be a link', () => {
    expect(page(`[x](${PNG})`).querySelector('[href]')).toBeNull()
  })
  it('is not printed as letters where it cannot be shown', () => {
    for (const text of [`![x](data:image/svg+xml;base64,${'PHN2'.repeat(50)})`, `![x](data:image/png;base64,${'iVBO'.repeat(50)}`]) {
      expect(page(text).textContent!.length).toBeLessThan(60)
    }
  })
})

describe('a picture of another site', () => {
  it('says where its link leads', () => {
    expect(page('![x](https://a.example/p.png)').querySelector('a')!.title).toBe('Opens a.example in a new tab')
  })
})

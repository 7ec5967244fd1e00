/** Pictures that stand in the text itself, on a click: they may be large, and not everyone wants them. */

import { isOwnPicture } from '@/markdown/links'

/** Shows the picture of a `[data-picture]` button below it, or takes it away again. */
export function togglePicture(button: HTMLElement): void {
  const box = button.parentElement
  const shown = box?.querySelector('img')
  if (shown) return shown.remove()
  const url = button.dataset.picture ?? ''
  // Looked at once more: this is the one place where an address of an answer is loaded.
  if (!box || !isOwnPicture(url)) return
  const picture = document.createElement('img')
  picture.alt = button.textContent?.trim() ?? ''
  picture.addEventListener('error', () => picture.remove())
  picture.src = url
  box.append(picture)
}

/**
 * Adds a style sheet to the page. Raises if it cannot be fetched, and leaves nothing behind then.
 *
 * For parts that are fetched late: a sheet imported by a chunk is asked for only once, and a second
 * try of that chunk comes without it (`preload` in vite's importAnalysisBuild).
 */
export function addStyles(href: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const link = document.createElement('link')
    link.rel = 'stylesheet'
    link.href = href
    link.onload = () => resolve()
    link.onerror = () => {
      link.remove()
      reject(new Error(`no style sheet at ${href}`))
    }
    document.head.append(link)
  })
}

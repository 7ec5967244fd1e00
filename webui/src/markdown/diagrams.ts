/** Mermaid diagrams, drawn after the end of an answer above their source. */

import { persistent } from '@/lib/persistent'
import { cleanDiagram } from '@/markdown/clean'

export type Theme = 'light' | 'dark'
/** The diagram as SVG. Raises for a source it cannot read. */
export type Draw = (source: string, theme: Theme) => Promise<string>

const MOST_KEPT = 40
const LONGEST = 50_000
/** What was drawn before is shown again without a flicker, such as after a switch of conversations. */
const drawn = new Map<string, string>()

/** A diagram is drawn in the page itself to be measured, so two at once would disturb each other. */
let queue: Promise<unknown> = Promise.resolve()
let count = 0

const library = persistent(async () => (await import('mermaid')).default)

const drawWithMermaid: Draw = async (source, theme) => {
  const mermaid = await library()
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    theme: theme === 'dark' ? 'dark' : 'neutral',
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    suppressErrorRendering: true,
    maxTextSize: LONGEST,
    // A diagram's own directives may change its looks, and none of these.
    secure: [
      'secure', 'securityLevel', 'startOnLoad', 'maxTextSize', 'suppressErrorRendering', 'maxEdges',
      'htmlLabels', 'flowchart', 'themeCSS', 'fontFamily', 'altFontFamily', 'dompurifyConfig',
    ],
  })
  return (await mermaid.render(`diagram-${++count}`, source)).svg
}

/** Draws every diagram below `root` that is not drawn in this theme yet; `draw` is for tests. */
export async function drawDiagrams(root: ParentNode, theme: Theme, draw: Draw = drawWithMermaid): Promise<void> {
  for (const box of root.querySelectorAll<HTMLElement>('.md-code[data-language="mermaid"]')) {
    const source = box.querySelector('code')?.textContent ?? ''
    const has = box.querySelector('.md-diagram') !== null
    if (!source.trim() || (has && box.dataset.ownDrawn === theme)) continue
    const svg = await drawOnce(source, theme, draw)
    // The reader may have gone on, or the text may have changed, while it was drawn.
    if (!box.isConnected || box.querySelector('code')?.textContent !== source) continue
    box.toggleAttribute('data-own-failed', svg === null)
    if (svg !== null) place(box, svg, theme)
  }
}

async function drawOnce(source: string, theme: Theme, draw: Draw): Promise<string | null> {
  const key = `${theme} ${source}`
  const known = drawn.get(key)
  if (known !== undefined) return known
  // Asked again when its turn comes: the same diagram may have been waiting in front of it.
  const work = queue.then(() => drawn.get(key) ?? draw(source, theme))
  queue = work.catch(() => undefined)
  try {
    const svg = await work
    if (drawn.size >= MOST_KEPT) drawn.delete(drawn.keys().next().value ?? '')
    drawn.set(key, svg)
    return svg
  } catch {
    return null // the source stays, which says more than the library's error would
  }
}

function place(box: HTMLElement, svg: string, theme: Theme): void {
  box.querySelector('.md-diagram')?.remove()
  const frame = document.createElement('div')
  frame.className = 'md-diagram'
  frame.tabIndex = 0
  frame.append(cleanDiagram(svg))
  if (!frame.querySelector('svg')) return
  box.append(frame)
  box.dataset.ownDrawn = theme
}

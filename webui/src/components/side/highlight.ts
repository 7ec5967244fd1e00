export interface Part {
  text: string
  hit: boolean
}

/** `text` cut where `words` occurs in it, in either case. */
export function highlight(text: string, words: string): Part[] {
  const wanted = words.trim().toLowerCase()
  const lower = text.toLowerCase()
  // A few letters change their length in lower case; then places would not match: no highlight.
  if (!wanted || lower.length !== text.length) return [{ text, hit: false }]
  const parts: Part[] = []
  let from = 0
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    if (at > from) parts.push({ text: text.slice(from, at), hit: false })
    from = at + wanted.length
    parts.push({ text: text.slice(at, from), hit: true })
  }
  if (from < text.length) parts.push({ text: text.slice(from), hit: false })
  return parts
}

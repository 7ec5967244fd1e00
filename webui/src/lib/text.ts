/** Text is counted in code points, as the server does; JavaScript's own length counts UTF-16 units. */

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

export function codePoints(text: string): number {
  let count = text.length
  for (let i = 0; i + 1 < text.length; i++) {
    if (isHigh(text.charCodeAt(i)) && isLow(text.charCodeAt(i + 1))) {
      count--
      i++
    }
  }
  return count
}

/** What is left of `text` without its first `count` code points. */
export function skipCodePoints(text: string, count: number): string {
  let i = 0
  for (; count > 0 && i < text.length; count--) {
    i += isHigh(text.charCodeAt(i)) && isLow(text.charCodeAt(i + 1)) ? 2 : 1
  }
  return text.slice(i)
}

/** Bits of HTML that the rules share. */

const SIGNS: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export function escapeHtml(text: string | number): string {
  return String(text).replace(/[&<>"']/g, (sign) => SIGNS[sign] ?? sign)
}

/** The drawing inside an icon of 24 by 24. */
export function icon(paths: string): string {
  return (
    '<svg viewBox="0 0 24 24" width="14" height="14" fill="none" stroke="currentColor" ' +
    `stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`
  )
}

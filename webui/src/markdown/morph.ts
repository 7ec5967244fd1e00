/**
 * Brings what is on the page to what it should be, touching only what differs. Nodes that stay keep
 * their selection, their scroll position and the reader's place in them while text grows.
 */

/** Attributes that the page itself has set, about what happened here. */
const OWN = 'data-own-'

export function morph(target: Node, wanted: Node): void {
  let at = target.firstChild
  for (const node of [...wanted.childNodes]) {
    if (at && isAlike(at, node)) {
      update(at, node)
      at = at.nextSibling
    } else if (at) {
      const next: ChildNode | null = at.nextSibling
      target.replaceChild(node, at)
      at = next
    } else {
      target.appendChild(node)
    }
  }
  while (at) {
    const next: ChildNode | null = at.nextSibling
    target.removeChild(at)
    at = next
  }
}

function isAlike(a: Node, b: Node): boolean {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName
}

function update(node: Node, wanted: Node): void {
  if (node instanceof Element && wanted instanceof Element) {
    updateAttributes(node, wanted)
    morph(node, wanted)
  } else if (node instanceof CharacterData && wanted instanceof CharacterData) {
    updateText(node, wanted.data)
  }
}

function updateText(node: CharacterData, wanted: string): void {
  if (node.data === wanted) return
  if (wanted.startsWith(node.data)) node.appendData(wanted.slice(node.data.length))
  else node.data = wanted
}

function updateAttributes(node: Element, wanted: Element): void {
  for (const { name } of [...node.attributes]) {
    if (!wanted.hasAttribute(name) && !name.startsWith(OWN)) node.removeAttribute(name)
  }
  for (const { name, value } of [...wanted.attributes]) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value)
  }
}

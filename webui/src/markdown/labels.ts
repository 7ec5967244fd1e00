/** The few words a rendered answer contains itself, in the reader's language. */
export interface Labels {
  copy: string
  copied: string
  /** Of code whose language is not named. */
  code: string
  image: string
  taskDone: string
  taskOpen: string
  note: string
  tip: string
  important: string
  warning: string
  caution: string
}

export const englishLabels: Labels = {
  copy: 'Copy',
  copied: 'Copied',
  code: 'Code',
  image: 'Image',
  taskDone: 'Done',
  taskOpen: 'Open',
  note: 'Note',
  tip: 'Tip',
  important: 'Important',
  warning: 'Warning',
  caution: 'Caution',
}

/** The few words a rendered answer contains itself, in the reader's language. */
export interface Labels {
  copy: string
  copied: string
  /** Of code whose language is not named. */
  code: string
  image: string
  /** On a picture that stands in the text itself. */
  imageShow: string
  /** On a picture of another site, which stands for `{host}`. */
  imageOpens: string
  diagramFailed: string
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
  imageShow: 'Show or hide the picture',
  imageOpens: 'Opens {host} in a new tab',
  diagramFailed: 'This diagram could not be drawn.',
  taskDone: 'Done',
  taskOpen: 'Open',
  note: 'Note',
  tip: 'Tip',
  important: 'Important',
  warning: 'Warning',
  caution: 'Caution',
}

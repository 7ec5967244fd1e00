import { MAX_QUERY_CHARS, type GenerationSettings } from '@/api/wire'

/** The settings that are numbers, with the limits the server keeps. */
export type NumberKey =
  | 'temperature'
  | 'top_p'
  | 'max_tokens'
  | 'seed'
  | 'presence_penalty'
  | 'frequency_penalty'

export interface NumberField {
  key: NumberKey
  min: number
  max: number
  /** Whether `min` itself is refused. */
  open?: boolean
  whole?: boolean
  /** Of the slider; a field without one has no slider. */
  step?: number
  /** Where the slider ends when that is not `max`: beyond it only the field reaches. */
  slideTo?: number
  /** What the field starts with when the reader first sets it. */
  start: number
}

export const FIELDS: readonly NumberField[] = [
  { key: 'temperature', min: 0, max: 2, step: 0.05, start: 0.7 },
  { key: 'top_p', min: 0, open: true, max: 1, step: 0.01, start: 0.95 },
  { key: 'max_tokens', min: 1, max: 1_000_000, whole: true, step: 64, slideTo: 8192, start: 1024 },
  { key: 'seed', min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, start: 42 },
  { key: 'presence_penalty', min: -2, max: 2, step: 0.1, start: 0 },
  { key: 'frequency_penalty', min: -2, max: 2, step: 0.1, start: 0 },
]

export const MOST_STOPS = 4
export const LONGEST_STOP = 200

/** A key under `settings.wrong` with what its sentence names. */
export interface Wrong {
  code: 'number' | 'whole' | 'low' | 'above' | 'high' | 'long' | 'many' | 'twice'
  values: Record<string, number>
}

export type Parsed = { value: number | null } | { wrong: Wrong }

/** What was typed; nothing typed means the default, which is null. A comma may be the decimal sign. */
export function parseNumber(field: NumberField, typed: string): Parsed {
  const text = typed.trim().replace(',', '.')
  if (text === '') return { value: null }
  const value = Number(text)
  const { min, max, open, whole } = field
  if (!Number.isFinite(value)) return { wrong: { code: 'number', values: {} } }
  if (whole && !Number.isInteger(value)) return { wrong: { code: 'whole', values: {} } }
  if (open && value <= min) return { wrong: { code: 'above', values: { min } } }
  if (value < min) return { wrong: { code: 'low', values: { min } } }
  if (value > max) return { wrong: { code: 'high', values: { max } } }
  return { value }
}

/** Where the slider stands for a value, and the value for where it was moved: within its own limits. */
export function slid(field: NumberField, value: number): number {
  const lowest = field.open ? (field.step ?? field.min) : field.min
  const highest = field.slideTo ?? field.max
  const digits = String(field.step ?? 1).split('.')[1]?.length ?? 0
  return Number(Math.min(Math.max(value, lowest), highest).toFixed(digits))
}

export function wrongSystem(text: string): Wrong | null {
  const characters = [...text].length
  if (characters <= MAX_QUERY_CHARS) return null
  return { code: 'long', values: { max: MAX_QUERY_CHARS } }
}

/** Why `text` cannot join the stop texts; null when it can. Spaces and line ends count as text. */
export function wrongStop(stops: readonly string[], text: string): Wrong | null {
  if (stops.includes(text)) return { code: 'twice', values: {} }
  if (stops.length >= MOST_STOPS) return { code: 'many', values: {} }
  if ([...text].length > LONGEST_STOP) return { code: 'long', values: { max: LONGEST_STOP } }
  return null
}

/** Line ends and tabs are typed as \n and \t in a field of one line. */
export function unescapeStop(typed: string): string {
  return typed.replace(/\\([nt\\])/g, (_, letter: string) =>
    letter === 'n' ? '\n' : letter === 't' ? '\t' : '\\',
  )
}

export function escapeStop(stop: string): string {
  return stop.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')
}

/** How many settings differ from "left to the model". */
export function countSet(settings: GenerationSettings): number {
  const { stop = [], ...others } = settings
  const given = Object.values(others).filter((value) => value !== null && value !== undefined)
  return given.filter((value) => value !== '').length + (stop.length ? 1 : 0)
}

/** All of them, so that what the reader took back is taken back on the server too. */
export function complete(settings: GenerationSettings): Required<GenerationSettings> {
  const nothing: Required<GenerationSettings> = {
    system: null,
    temperature: null,
    top_p: null,
    max_tokens: null,
    stop: [],
    seed: null,
    presence_penalty: null,
    frequency_penalty: null,
  }
  return { ...nothing, ...settings, system: settings.system || null }
}

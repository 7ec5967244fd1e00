import { describe, expect, it } from 'vitest'
import {
  complete,
  countSet,
  escapeStop,
  FIELDS,
  parseNumber,
  slid,
  unescapeStop,
  wrongStop,
  wrongSystem,
  type NumberKey,
} from '@/components/settings/fields'
import en from '@/i18n/more.en'

const field = (key: NumberKey) => FIELDS.find((one) => one.key === key)!
const code = (key: NumberKey, typed: string) => {
  const parsed = parseNumber(field(key), typed)
  return 'wrong' in parsed ? parsed.wrong.code : parsed.value
}

describe('parseNumber', () => {
  it.each([
    ['temperature', '', null],
    ['temperature', ' 0,7 ', 0.7],
    ['temperature', '2', 2],
    ['temperature', '2.1', 'high'],
    ['temperature', '-1', 'low'],
    ['temperature', 'warm', 'number'],
    ['temperature', 'Infinity', 'number'],
    ['top_p', '0', 'above'],
    ['top_p', '1', 1],
    ['max_tokens', '1.5', 'whole'],
    ['max_tokens', '0', 'low'],
    ['max_tokens', '1000001', 'high'],
    ['seed', '9007199254740992', 'high'],
    ['presence_penalty', '-2', -2],
  ] as const)('%s: %j gives %s', (key, typed, result) => expect(code(key, typed)).toBe(result))
})

describe('slid', () => {
  it('never gives a value that the server refuses', () => {
    for (const one of FIELDS) {
      expect(code(one.key, String(slid(one, one.min)))).toBeTypeOf('number')
      expect(code(one.key, String(slid(one, one.max)))).toBeTypeOf('number')
    }
  })
  it('drops the dust of binary fractions', () => expect(slid(field('temperature'), 0.1 + 0.2)).toBe(0.3))
  it('stops where the slider ends', () => expect(slid(field('max_tokens'), 1e6)).toBe(8192))
})

describe('stop texts', () => {
  it('are typed with escapes and come back as they were typed', () => {
    for (const typed of ['\\n\\nUser:', 'C:\\\\new', 'end\\t', 'plain']) {
      expect(escapeStop(unescapeStop(typed))).toBe(typed)
    }
    expect(unescapeStop('\\n')).toBe('\n')
    expect(unescapeStop('\\\\n')).toBe('\\n')
  })
  it('are four at most, each once and not too long', () => {
    expect(wrongStop(['a'], 'a')?.code).toBe('twice')
    expect(wrongStop(['a', 'b', 'c', 'd'], 'e')?.code).toBe('many')
    expect(wrongStop([], 'x'.repeat(201))?.code).toBe('long')
    expect(wrongStop([], '😀'.repeat(200))).toBeNull()
  })
})

it('the system prompt is counted in characters, not in UTF-16 units', () => {
  expect(wrongSystem('😀'.repeat(200_000))).toBeNull()
  expect(wrongSystem('x'.repeat(200_001))?.code).toBe('long')
})
it('settings are complete, so that what was taken back is taken back on the server', () => {
  expect(complete({ temperature: 0 })).toMatchObject({ temperature: 0, top_p: null, stop: [], system: null })
  expect(complete({ system: '' }).system).toBeNull()
})
it('a temperature of zero counts as set', () => {
  expect(countSet({ temperature: 0, top_p: null, stop: [] })).toBe(1)
  expect(countSet({ stop: ['x'], system: 'y' })).toBe(2)
})
it('every setting is named and explained', () => {
  for (const { key } of FIELDS) {
    expect(en.settings.field[key]).toBeTruthy()
    expect(en.settings.about[key]).toBeTruthy()
  }
})

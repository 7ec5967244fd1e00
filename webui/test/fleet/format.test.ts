import { describe, expect, it } from 'vitest'
import { age, bytes, pair, seconds, share } from '@/fleet/format'

describe('seconds', () => {
  it.each([
    [0.0431, '43 ms'],
    [0.9999, '1 s'],
    [1.27, '1.3 s'],
    [75.4, '75 s'],
    [null, '–'],
  ])('%s reads %s', (value, text) => expect(seconds(value, 'en')).toBe(text))
})

describe('pair', () => {
  it('says a shared unit once', () => expect(pair(0.043, 0.12, 'en')).toBe('43 / 120 ms'))
  it('says both units where they differ', () =>
    expect(pair(0.387, 1.08, 'en')).toBe('387 ms / 1.1 s'))
  it('is a dash when there were no requests', () => expect(pair(null, undefined, 'en')).toBe('–'))
})

describe('bytes', () => {
  it.each([
    [612 * 2 ** 20, '612 MB'],
    [5.1 * 2 ** 30, '5.1 GB'],
    [0, '0 MB'],
    [null, '–'],
  ])('%s reads %s', (value, text) => expect(bytes(value, 'en')).toBe(text))
})

describe('age', () => {
  it.each([
    [0, '0 s'],
    [42.9, '42 s'],
    [125, '2 min 5 s'],
    [1500, '25 min'],
    [3725, '1 h 2 min'],
    [3600, '1 h'],
    [3605, '1 h'],
    [40_000, '11 h'],
    [190_000, '2 d 4 h'],
    [-3, '–'],
    [null, '–'],
  ])('%s s reads %s', (value, text) => expect(age(value, 'en')).toBe(text))
  it('speaks Chinese', () => expect(age(3725, 'zh')).toBe('1 小时 2 分'))
})

describe('share', () => {
  it('never shows something that happened as zero', () => expect(share(1, 1e6, 'en')).toBe('<0.1%'))
  it('has one digit while it is small', () => expect(share(3, 1000, 'en')).toBe('0.3%'))
  it('is a dash without any request', () => expect(share(0, 0, 'en')).toBe('–'))
})

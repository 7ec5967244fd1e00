import { describe, expect, it } from 'vitest'
import { pathOf, remember, topOf, type Sample } from '@/fleet/history'

const sample = (time: number, inFlight = 0, waiting = 0): Sample => ({ time, inFlight, waiting })
const inFlight = (one: Sample): number => one.inFlight

describe('remember', () => {
  it('keeps two minutes and one sample before them, so that the line reaches the edge', () => {
    let samples: readonly Sample[] = []
    for (let time = 0; time <= 300; time += 10) samples = remember(samples, sample(time))
    expect(samples[0]?.time).toBe(180)
    expect(samples.at(-1)?.time).toBe(300)
  })
  it('ignores a report that was seen before', () => {
    const samples = remember([sample(5)], sample(5, 9))
    expect(samples).toEqual([sample(5)])
  })
  it('starts again when the clock of the server was set back', () => {
    expect(remember([sample(1000)], sample(10))).toEqual([sample(10)])
  })
})

describe('topOf', () => {
  it.each([
    [0, 4],
    [4, 4],
    [5, 8],
    [9, 10],
    [11, 20],
    [41, 80],
    [81, 100],
    [1000, 1000],
  ])('for %i the scale ends at %i', (most, top) => {
    expect(topOf([sample(0, 0, most)])).toBe(top)
  })
})

describe('pathOf', () => {
  const box = { width: 120, height: 100, top: 10 }
  it('draws counts as steps that hold until the next report', () => {
    const path = pathOf([sample(60, 5), sample(64, 10)], inFlight, 120, box)
    expect(path).toBe('M60 50H64V0')
  })
  it('leaves a hole where nothing was reported', () => {
    const path = pathOf([sample(60, 5), sample(100, 5)], inFlight, 120, box)
    expect(path).toBe('M60 50M100 50')
  })
  it('goes down to the base line for a fill', () => {
    const path = pathOf([sample(60, 5), sample(64, 5)], inFlight, 120, box, true)
    expect(path).toBe('M60 50H64V50V100H60Z')
  })
  it('does not begin before the left edge', () => {
    expect(pathOf([sample(-5, 1), sample(3, 1)], inFlight, 120, box)).toBe('M0 90H3V90')
  })
})

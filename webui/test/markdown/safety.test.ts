import { describe, expect, it } from 'vitest'
import { Blocks } from '@/markdown/blocks'
import { PROBES } from './probes'
import { all, dangers, look, page, pageOf } from './helpers'

describe('a hostile answer', () => {
  it('is tried in many ways', () => {
    expect(PROBES.length).toBeGreaterThan(200)
  })
  it.each([['all', all], ['none', {}]])('stays inert in one piece, with %s of the extras loaded', (_name, extras) => {
    const harmful = PROBES.map((probe) => [probe, dangers(page(probe, extras))]).filter(([, found]) => found!.length)
    expect(harmful).toEqual([])
  })
  it('stays inert at every letter of its way', () => {
    for (const probe of PROBES) {
      const model = new Blocks()
      for (let at = 1; at <= probe.length; at++) {
        const blocks = model.update(probe.slice(0, at), look(true))
        // Only what could have changed is looked at, which is everything below the settled part.
        const found = dangers(pageOf(blocks.slice(-3)))
        if (found.length) expect([probe.slice(0, at), found]).toEqual([probe.slice(0, at), []])
      }
    }
  }, 120_000)
  it('stays inert inside other marks', () => {
    const frames = ['> X', '- X', '**X**', '[X](https://a.example)', '| a |\n|--|\n| X |', '1. a\n\n   X']
    const harmful = PROBES.flatMap((probe) => frames.map((frame) => frame.replace('X', () => probe))).filter(
      (text) => dangers(page(text)).length,
    )
    expect(harmful).toEqual([])
  }, 60_000)
})

import { describe, expect, it } from 'vitest'
import { Cut, readFrames, unlessSilent } from '@/stream/frames'
import type { Sleep } from '@/stream/wait'
import { body, bytes } from './helpers'

const never: Sleep = (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve()))
const atOnce: Sleep = async () => undefined

async function read(pieces: string[]): Promise<[string | undefined, string][]> {
  const frames: [string | undefined, string][] = []
  for await (const { id, data } of readFrames(body(pieces.map(bytes)), never)) frames.push([id, data])
  return frames
}

describe('frames', () => {
  const TEXT = 'id: 1\ndata: a\ndata: b\n\n: ping\n\nid: 2\ndata: {"x": "\\r\\n"}\n\n'
  const WANTED = [['1', 'a\nb'], ['2', '{"x": "\\r\\n"}']]

  it.each(['\n', '\r\n', '\r'])('come whole however they are cut, with lines ending in %j', async (line) => {
    const text = TEXT.replaceAll('\n', line)
    for (let at = 0; at <= text.length; at++) {
      expect(await read([text.slice(0, at), text.slice(at)])).toEqual(WANTED)
    }
    expect(await read([...text])).toEqual(WANTED)
  })

  it('come as soon as their last byte is there, also where that is a CR', async () => {
    const frames = readFrames(body([bytes('data: a\r\r')], 'hang'), never)
    expect((await frames.next()).value).toMatchObject({ data: 'a' })
    await frames.return()
  }, 2000)

  it('do not come in halves at the end of a connection', async () => {
    expect(await read(['data: a\n\ndata: b\n'])).toEqual([[undefined, 'a']])
  })

  it('may be cut inside a letter', async () => {
    const all = bytes('data: 世界😀\n\n')
    for (let at = 1; at < all.length; at++) {
      const frames = []
      for await (const frame of readFrames(body([all.slice(0, at), all.slice(at)]), never)) frames.push(frame.data)
      expect(frames).toEqual(['世界😀'])
    }
  })

  it('close the connection when nobody reads on', async () => {
    let cancelled = false
    const content = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes('data: a\n\ndata: b\n\n')),
      cancel: () => void (cancelled = true),
    })
    for await (const _ of readFrames(content, never)) break
    expect(cancelled).toBe(true)
  })
})

describe('silence', () => {
  it('is a cut', async () => {
    await expect(unlessSilent(new Promise(() => undefined), atOnce)).rejects.toBeInstanceOf(Cut)
  })
  it('is not waited for any more once there is a result', async () => {
    let ended = false
    const sleep: Sleep = (_ms, signal) =>
      new Promise((resolve) => signal?.addEventListener('abort', () => ((ended = true), resolve())))
    expect(await unlessSilent(Promise.resolve(7), sleep)).toBe(7)
    expect(ended).toBe(true)
  })
})

import { Presets, SingleBar } from 'cli-progress'
import { grouped } from './grouped.ts'

const REDRAWS_PER_SECOND = 10

/** How far the story is: a bar on a terminal, nothing where the output is read by a program. */
export class Progress {
  readonly #bar: SingleBar

  constructor(stream: NodeJS.WritableStream) {
    const format = '  {bar} {percentage} %  {day}  {value} events'
    const formatValue = (value: number, _options: unknown, type: string) => (type === 'value' ? grouped(value) : String(value))
    this.#bar = new SingleBar({ format, formatValue, stream, hideCursor: true, barsize: 40, fps: REDRAWS_PER_SECOND }, Presets.shades_classic)
  }

  start(eventsExpected: number, day: string): void {
    this.#bar.start(eventsExpected, 0, { day })
  }

  update(events: number, day: string): void {
    this.#bar.update(events, { day })
  }

  /** The story has ended with this many events: the bar is full. */
  finish(events: number): void {
    this.#bar.setTotal(events)
    this.#bar.update(events)
    this.stop()
  }

  /** However the story ends: the timer of a bar that goes on keeps the process alive for ever. */
  stop(): void {
    this.#bar.stop()
  }
}

import { Presets, SingleBar } from 'cli-progress'
import { grouped } from '../metering/grouped.ts'

const REDRAWS_PER_SECOND = 10

/** The progress of the story: a bar on a terminal, nothing if the output is not a terminal. */
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

  /** Fills the bar: the story has ended with this number of events. */
  finish(events: number): void {
    this.#bar.setTotal(events)
    this.#bar.update(events)
    this.stop()
  }

  /** Must be called however the story ends: the timer of a running bar keeps the process alive. */
  stop(): void {
    this.#bar.stop()
  }
}

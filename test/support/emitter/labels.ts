import type { Sent } from '../../../emitter/emitter.ts'
import type { Happening } from './conformance-case.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** The labels of ids in a conformance case. */
export class Labels {
  readonly #names = new Map<string, string>()

  /** Throws unless the id is a UUIDv7 of this time that has no other label. */
  bind(label: string, id: string, atMs: number): void {
    if (!UUID_V7.test(id)) throw new Error(`${label} is not a UUIDv7: ${id}`)
    if (Number.parseInt(id.replace('-', '').slice(0, 12), 16) !== atMs) throw new Error(`${label} has another time than ${atMs}: ${id}`)
    this.#bind(label, id)
  }

  /** What happened, in the form of what was expected: with labels, and with no more detail. */
  show({ request, ...others }: Happening, expected: Happening = {}): Happening {
    for (const [index, event] of (expected.request?.events ?? []).entries()) this.#bindSum(event.event_id, request?.events?.[index])
    if (request !== undefined) {
      const { at_ms, events = [] } = request
      return this.#labelled({ request: expected.request?.ids === undefined ? request : { at_ms, ids: events.map(({ event_id }) => event_id) } })
    }
    const { dropped, problem } = others
    if (dropped?.ids !== undefined && expected.dropped?.count !== undefined) return { dropped: { count: dropped.ids.length, reason: dropped.reason } }
    return this.#labelled(problem === undefined ? others : { problem: { ...onlyKeysOf(expected.problem, problem), kind: problem.kind } })
  }

  #labelled(happening: Happening): Happening {
    return JSON.parse(JSON.stringify(happening), (_, value) => this.#names.get(value) ?? value) as Happening
  }

  /** The id of a sum has its label where it first appears. */
  #bindSum(label: string, event: Pick<Sent, 'event_id'> | undefined): void {
    if (!label.startsWith('$') || event === undefined || [...this.#names.values()].includes(label)) return
    if (!UUID_V7.test(event.event_id)) throw new Error(`${label} is not a UUIDv7: ${event.event_id}`)
    this.#bind(label, event.event_id)
  }

  #bind(label: string, id: string): void {
    const other = this.#names.get(id)
    if (other !== undefined) throw new Error(`${label} and ${other} have one id: ${id}`)
    this.#names.set(id, label)
  }
}

function onlyKeysOf<T extends object>(expected: T | undefined, value: T): Partial<T> {
  return expected === undefined ? value : (Object.fromEntries(Object.entries(value).filter(([key]) => key in expected)) as Partial<T>)
}

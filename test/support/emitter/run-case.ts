import { createEmitter, type Emitter, type Sent } from '../../../emitter/emitter.ts'
import { type Answer, type Conformance, type ConformanceCase, type Happening, type Step, toOptions } from './conformance-case.ts'
import { Labels } from './labels.ts'
import { rest, VirtualClock } from './virtual-clock.ts'

export interface CaseResult {
  readonly expected: readonly Happening[]
  readonly happened: readonly Happening[]
}

/** Runs a case and returns, per step, what should have happened and what happened. Ids of labels are shown as labels. */
export async function runCase(each: ConformanceCase, { defaults }: Conformance, create = createEmitter): Promise<CaseResult[]> {
  const startMs = Date.parse(each.start ?? defaults.start)
  const clock = new VirtualClock(startMs)
  const labels = new Labels()
  const answers = [...(each.answers ?? [])]
  let happened: Happening[] = []
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers)
    if (`${init.method} ${url}` !== `POST ${defaults.url}/v1/events`) throw new Error(`a request was ${init.method} ${url}`)
    if (headers.get('authorization') !== `Bearer ${defaults.key}` || headers.get('content-type') !== 'application/json')
      throw new Error('a request had other headers')
    const events = JSON.parse(String(init.body)) as Sent[]
    happened.push({ request: { at_ms: clock.now() - startMs, events } })
    return answer(answers.shift() ?? 'accept', events.length, init.signal)
  }
  const emitter = create({
    url: defaults.url,
    key: defaults.key,
    ...toOptions({ ...defaults.options, ...each.options }),
    fetch: send,
    clock,
    random: () => each.random ?? defaults.random,
    onDelivered: ({ events, accepted, duplicates }) => happened.push({ delivered: { ids: events.map(idOf), accepted, duplicates: duplicates ?? null } }),
    onRejected: ({ event, reason }) => happened.push({ rejected: { id: event?.event_id ?? '', reason } }),
    onDropped: ({ events, reason }) => happened.push({ dropped: { ids: events.map(idOf), reason } }),
    onProblem: ({ kind, httpStatus, code, retryInMs }) =>
      happened.push({ problem: { kind, http_status: httpStatus ?? null, code: code ?? null, retry_in_ms: retryInMs ?? 0 } }),
  })
  const results: CaseResult[] = []
  const call = makeCalls(emitter, { clock, labels, report: (each) => happened.push(each) })
  for (const step of each.steps) {
    await call(step)
    await rest()
    const expected = step.then ?? []
    results.push({ expected, happened: happened.map((each, index) => labels.show(each, expected[index])) })
    happened = []
  }
  return results
}

function idOf({ event_id }: Sent): string {
  return event_id
}

async function answer(scripted: Answer, events: number, signal: RequestInit['signal']): Promise<Response> {
  if (scripted === 'never') await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))))
  if (scripted === 'no_answer' || scripted === 'never') throw new TypeError('fetch failed')
  if (scripted === 'accept') return Response.json({ accepted: events, duplicates: 0, rejected: [] })
  return new Response(JSON.stringify(scripted.body ?? {}), { status: scripted.status, headers: scripted.headers ?? {} })
}

interface Surroundings {
  readonly clock: VirtualClock
  readonly labels: Labels
  readonly report: (happening: Happening) => void
}

function makeCalls(emitter: Emitter, { clock, labels, report }: Surroundings): (step: Step) => Promise<void> {
  const stops = new Map<string, () => void>()
  return async (step) => {
    if (step.call === 'emit') {
      const id = emitter.emit(step.event)
      if ((id === undefined) !== (step.dropped ?? false)) throw new Error(`emit returned ${id}`)
      if (id !== undefined && step.id !== undefined) labels.bind(`$${step.id}`, id, clock.now())
    } else if (step.call === 'correct') {
      const id = emitter.correct(step.correction)
      if (id !== undefined && step.id !== undefined) labels.bind(`$${step.id}`, id, clock.now())
    } else if (step.call === 'add') emitter.add(step.increment)
    else if (step.call === 'gauge') {
      const reads = [...step.reads]
      const { project_id, metric, every_ms } = step.gauge
      const read = () => {
        const value = reads.shift()
        if (typeof value !== 'number') throw new Error('cannot be read')
        return value
      }
      stops.set(step.name, emitter.gauge({ project_id, metric, everyMs: every_ms, read }))
    } else if (step.call === 'stop_gauge') stops.get(step.name)?.()
    else if (step.call === 'flush') void emitter.flush().then(() => report({ flushed: true }))
    else if (step.call === 'close') void emitter.close({ timeout: step.timeout_ms }).then((closed) => report({ closed: { ...closed } }))
    else await clock.advance(step.ms)
  }
}

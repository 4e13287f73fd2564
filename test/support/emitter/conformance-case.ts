import { readFileSync } from 'node:fs'
import type { Gauge, Increment, Sent, UsageCorrection, UsageEvent } from '../../../emitter/emitter.ts'
import type { Limits } from '../../../emitter/emitter-options.ts'

/** emitter/conformance.json, whose member `format` describes the rest. */
export interface Conformance {
  readonly defaults: { readonly url: string; readonly key: string; readonly start: string; readonly random: number; readonly options: Options }
  readonly cases: readonly ConformanceCase[]
}

export interface ConformanceCase {
  readonly name: string
  readonly start?: string
  readonly random?: number
  readonly options?: Options
  readonly answers?: readonly Answer[]
  readonly steps: readonly Step[]
}

type Options = Readonly<Record<string, number>>
export type Answer = 'accept' | 'no_answer' | 'never' | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: object }

type Call =
  | { readonly call: 'emit'; readonly event: UsageEvent; readonly id?: string; readonly dropped?: boolean }
  | { readonly call: 'correct'; readonly correction: UsageCorrection; readonly id?: string }
  | { readonly call: 'add'; readonly increment: Increment }
  | { readonly call: 'gauge'; readonly name: string; readonly gauge: WireGauge; readonly reads: readonly (number | 'error')[] }
  | { readonly call: 'stop_gauge'; readonly name: string }
  | { readonly call: 'flush' }
  | { readonly call: 'close'; readonly timeout_ms: number }
  | { readonly call: 'wait'; readonly ms: number }

export type Step = Call & { readonly then?: readonly Happening[] }

interface WireGauge {
  readonly project_id: string
  readonly metric: Gauge['metric']
  readonly every_ms: number
}

export interface Happening {
  readonly request?: { readonly at_ms: number; readonly ids?: readonly string[]; readonly events?: readonly Sent[] }
  readonly delivered?: { readonly ids: readonly string[]; readonly accepted: number; readonly duplicates: number | null }
  readonly rejected?: { readonly id: string; readonly reason: string }
  readonly dropped?: { readonly ids?: readonly string[]; readonly count?: number; readonly reason: string }
  readonly problem?: { readonly kind: string; readonly http_status?: number | null; readonly code?: string | null; readonly retry_in_ms?: number }
  readonly flushed?: true
  readonly closed?: { readonly delivered: number; readonly rejected: number; readonly dropped: number; readonly spooled: number }
}

export function readConformance(): Conformance {
  return JSON.parse(readFileSync(new URL('../../../emitter/conformance.json', import.meta.url), 'utf8')) as Conformance
}

/** batch_events_max is batchEventsMax here. */
export function toOptions(options: Options): Partial<Limits> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), value]))
}

import type { IngestCost } from './ingest-plan.ts'
import type { AskedQuestions } from './measure-questions.ts'

/** What was measured of one way to store events, of one size. */
export interface ShapeResult {
  readonly name: string
  readonly what: string
  readonly ingest: IngestCost
  readonly questions: AskedQuestions
  /** After merges: the events, and everything that the shape stores, divided by the number of events. */
  readonly bytesPerEvent: number
  readonly eventBytesPerEvent?: number
}

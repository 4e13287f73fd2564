import { ErrorBody } from '../../contract/errors.ts'

/** The errors a route can answer with, for its `response`. */
export function errorAnswers(...statuses: number[]): Record<number, typeof ErrorBody> {
  return Object.fromEntries(statuses.map((status) => [status, ErrorBody]))
}

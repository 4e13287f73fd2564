import { describe, expect, test } from 'vitest'
import { decodeEvent } from '../../../ingest/event/decode-body.ts'
import { type AllowedProjects, projectIdsOf, type ValidatedEvent, validateEvent } from '../../../ingest/event/pipeline.ts'

const EVENT = { event_id: 'e', project_id: 'own', metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' }
const OWN: AllowedProjects = new Set(['own'])

const arrivalOf = (event: unknown) => decodeEvent(Buffer.from(JSON.stringify(event)))
const validate = (event: unknown, allowedProjects: AllowedProjects): ValidatedEvent =>
  validateEvent(arrivalOf(event), { receivedMs: Date.parse(EVENT.timestamp), allowedProjects })
const reasonOf = (validated: ValidatedEvent) => (validated.status === 'rejected' ? validated.rejection.reason : undefined)

test('P6: an event is dated from 2000-01-01 to 2148-12-31, whatever the clock of the receiver: later days wrap around in the store', () => {
  const validateAt = (timestamp: string) => validateEvent(arrivalOf({ ...EVENT, timestamp }), { receivedMs: Date.UTC(2298, 0, 1), allowedProjects: 'all' })
  for (const day of ['2000-01-01T00:00:00Z', '2148-12-31T23:59:59.999Z']) expect(validateAt(day).status).toBe('valid')
  for (const day of ['1999-12-31T23:59:59.999Z', '2149-01-01T00:00:00Z', '2149-06-07T00:00:00Z', '2200-12-31T00:00:00Z', '9999-12-31T23:59:59Z'])
    expect(reasonOf(validateAt(day))).toBe('invalid_timestamp')
  expect(validateAt('2200-12-31T00:00:00Z')).toMatchObject({ rejection: { message: 'timestamp must not be after 2148-12-31.' } })
})

describe('the scope of an ingest key', () => {
  test('P5: an event of a project outside the scope is rejected as project_not_allowed, with its ids and its bytes', () => {
    const validated = validate({ ...EVENT, project_id: 'foreign' }, OWN)
    expect(validated).toMatchObject({ status: 'rejected', projectId: 'foreign', eventId: 'e', rejection: { reason: 'project_not_allowed' } })
    expect(JSON.parse(validated.original().toString())).toEqual({ ...EVENT, project_id: 'foreign' })
    expect(validate(EVENT, OWN)).toMatchObject({ status: 'valid', event: { projectId: 'own' } })
    expect(validate({ ...EVENT, project_id: 'foreign' }, 'all')).toMatchObject({ status: 'valid', event: { projectId: 'foreign' } })
  })

  test('an event that is invalid in itself keeps that reason, whatever its project', () => {
    const broken = [
      [{ ...EVENT, metric: 'none' }, 'unknown_metric'],
      [{ ...EVENT, value: '-1' }, 'invalid_value'],
      [{ ...EVENT, timestamp: '2026-01-02T00:00:00Z' }, 'timestamp_in_future'],
    ] as const
    for (const [event, reason] of broken) expect(reasonOf(validate({ ...event, project_id: 'foreign' }, OWN))).toBe(reason)
  })

  test('the projects to look up are those with a valid id, each once', () => {
    const events = [EVENT, EVENT, { ...EVENT, project_id: 'other' }, { ...EVENT, project_id: 'no such id!' }, { ...EVENT, project_id: 7 }, [], 'text']
    expect([...projectIdsOf(events.map(arrivalOf))]).toEqual(['own', 'other'])
  })
})

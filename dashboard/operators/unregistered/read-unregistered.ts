import type { LIST_INGEST_KEYS } from '../../../contract/ingest-keys.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import type { LIST_UNREGISTERED_PROJECTS } from '../../../contract/unregistered-projects.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

export type UnregisteredList = AsText<AnswerOf<typeof LIST_UNREGISTERED_PROJECTS>>
export type UnregisteredProject = UnregisteredList['projects'][number]

const ROWS_PER_PAGE = 50

export function readUnregistered({ days, cursor }: { days: string; cursor: string | undefined }, signal: AbortSignal): Promise<UnregisteredList> {
  const query = { days: Number(days), limit: ROWS_PER_PAGE, cursor }
  return call<typeof LIST_UNREGISTERED_PROJECTS>(caller(signal), { method: 'GET', path: '/admin/v1/unregistered-projects', query })
}

/** The names of the first ingest keys by id, for people. Others are shown by their id. */
export async function readKeyNames(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { ingest_keys } = await call<typeof LIST_INGEST_KEYS>(caller(signal), { method: 'GET', path: '/admin/v1/ingest-keys', query: { limit: 100 } })
  return new Map(ingest_keys.map(({ id, name }) => [id, name]))
}

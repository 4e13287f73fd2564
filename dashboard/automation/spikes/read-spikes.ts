import type { AnswerOf } from '../../../contract/operation.ts'
import type { LIST_OWN_SPIKES, LIST_SPIKES } from '../../../contract/spikes.ts'
import type { Subject } from '../../address/subject.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

type SpikePage = AsText<AnswerOf<typeof LIST_SPIKES>>
export type Spike = SpikePage['spikes'][number]

/** Which spikes are listed; undefined members are left out of the query. */
export interface SpikeFilter {
  /** For admins. */
  readonly partner_id: string | undefined
  readonly project_id: string | undefined
  readonly metric: string | undefined
  /** Days, both inclusive. */
  readonly from: string | undefined
  readonly to: string | undefined
}

const ROWS_PER_PAGE = 50

export function readSpikes({ partnerId, asAdmin }: Subject, filter: SpikeFilter, cursor: string | undefined, signal: AbortSignal): Promise<SpikePage> {
  const { partner_id, ...ofProjects } = filter
  const query = { ...ofProjects, limit: ROWS_PER_PAGE, cursor }
  if (asAdmin) return call<typeof LIST_SPIKES>(caller(signal), { method: 'GET', path: '/admin/v1/spikes', query: { ...query, partner_id } })
  return call<typeof LIST_OWN_SPIKES>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/spikes', params: { partnerId }, query })
}

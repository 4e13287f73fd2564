import { useEffect, useState } from 'preact/hooks'
import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_PARTNERS } from '../../contract/partners.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { type Action, useAction } from '../parts/use-action.ts'
import { caller } from '../session/session.ts'

type PartnerPage = AsText<AnswerOf<typeof LIST_PARTNERS>>
export type ListedPartner = PartnerPage['partners'][number]

export interface LoadedPartners {
  readonly partners: readonly ListedPartner[]
  /** Undefined when all are loaded. */
  readonly loadMore: (() => void) | undefined
  readonly action: Action<PartnerPage>
}

const PARTNERS_PER_PAGE = 100

/** The partners by name: those of the first page, and more as they are asked for. */
export function usePartners(): LoadedPartners {
  const [partners, setPartners] = useState<readonly ListedPartner[]>([])
  const [next, setNext] = useState<string | null | undefined>(undefined)
  const action = useAction<PartnerPage>()
  const load = async () => {
    const query = { limit: PARTNERS_PER_PAGE, ...(typeof next === 'string' ? { cursor: next } : {}) }
    const page = await action.run(() => call<typeof LIST_PARTNERS>(caller(), { method: 'GET', path: '/admin/v1/partners', query }))
    if (page === undefined) return
    setPartners((before) => [...before, ...page.partners])
    setNext(page.next_cursor)
  }
  useEffect(() => {
    load()
  }, [])
  return { partners, loadMore: next === null || action.isBusy ? undefined : load, action }
}

import { useEffect, useState } from 'preact/hooks'
import { type Partner, type PartnerPage, readPartners } from '../partners/read-partners.ts'
import { type Action, useAction } from '../parts/use-action.ts'

export interface LoadedPartners {
  readonly partners: readonly Partner[]
  /** Undefined when all are loaded. */
  readonly loadMore: (() => void) | undefined
  readonly action: Action<PartnerPage>
}

const CHOICES_PER_PAGE = 100

/** The partners by name: those of the first page, and more as they are asked for. */
export function usePartners(): LoadedPartners {
  const [partners, setPartners] = useState<readonly Partner[]>([])
  const [next, setNext] = useState<string | null | undefined>(undefined)
  const action = useAction<PartnerPage>()
  const load = async () => {
    const page = await action.run(() => readPartners(next ?? undefined, undefined, CHOICES_PER_PAGE))
    if (page === undefined) return
    setPartners((before) => [...before, ...page.partners])
    setNext(page.next_cursor)
  }
  useEffect(() => {
    load()
  }, [])
  return { partners, loadMore: next === null || action.isBusy ? undefined : load, action }
}

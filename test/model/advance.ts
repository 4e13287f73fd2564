import { identitiesOfBatch } from './detect.ts'
import { isHttp, type Model, recordsChanges, sorted } from './model.ts'
import { partsOfCorrections, partsOfRows, splitCorrections } from './parts.ts'
import { at, type Handler, NOTHING, type Request, type State, withHandler } from './state.ts'

type Sent = Pick<Request, 'type'> & Partial<Pick<Request, 'log' | 'epoch' | 'owner' | 'data' | 'parts'>>

/** Sends a request; the handler waits for its answer. */
export function send(state: State, index: number, { type, log, epoch, owner, data = [], parts = [] }: Sent): State {
  const handler = at(state.handlers, index)
  const request: Request = {
    log: log ?? handler.log,
    type,
    epoch: epoch ?? handler.epoch,
    owner: owner ?? handler.owner,
    waiter: index,
    running: false,
    data,
    parts,
  }
  return withHandler({ ...state, requests: sorted([...state.requests, request]) }, index, { step: `${handler.step} sent` })
}

const AFTER: Readonly<Record<string, string>> = {
  'acquire stored': 'read back',
  'claim stored': 'check source',
  'reconcile rejected stored': 'reconcile rows',
  'reconcile rows stored': 'reconcile corrections',
  'reconcile corrections stored': 'recount',
  'repair stored': 'record changes',
  'record changes stored': 'reconciled',
  'write 0 stored': 'write 1',
  'write 1 stored': 'write 2',
  'write 2 stored': 'write 3',
  'write 3 stored': 'written',
}

/** What a handler does without looking at anything that others change. Whatever it sends can still arrive at any time. */
export function advance(model: Model, state: State, index: number): State {
  let now = state
  for (;;) {
    const handler = at(now.handlers, index)
    const next = advanceOnce(model, now, { index, handler })
    if (next === undefined) return now
    now = next
  }
}

interface Advancing {
  readonly index: number
  readonly handler: Handler
}

function advanceOnce(model: Model, state: State, advancing: Advancing): State | undefined {
  const { index, handler } = advancing
  const go = (changed: Partial<Handler>) => withHandler(state, index, changed)
  const { step, rows, corrections, conflicts, parts, through } = handler
  if (AFTER[step] !== undefined) return go({ step: AFTER[step] })
  switch (step) {
    case 'reconcile rejected':
      return conflicts.length > 0 ? send(state, index, { type: 'rejected', data: conflicts }) : go({ step: 'reconcile rows' })
    case 'reconcile rows':
      return rows.length > 0 ? sendRows(model, state, advancing) : go({ step: 'reconcile corrections' })
    case 'reconcile corrections':
      return corrections.length > 0 ? sendRows(model, state, advancing, 'corrections') : go({ step: 'recount' })
    case 'recount':
      return model.rules.recount ? undefined : go({ step: 'record changes' })
    case 'repair':
      return parts.length > 0 ? send(go({ parts: [] }), index, { type: 'differences', parts }) : go({ step: 'record changes' })
    case 'record changes':
      if (!recordsChanges(model) || !model.rules.changeInReconciling) return go({ step: 'reconciled' })
      return send(state, index, { type: 'change', parts: [['change', 0]] })
    case 'reconciled':
      if (handler.retiresFor >= 0) return go({ step: 'retired' })
      return state.left.rewinds > 0 ? undefined : go({ step: 'idle', next: through + 1, rows: [], conflicts: [], corrections: [], notes: [] })
    case 'write 0':
    case 'write 1':
    case 'write 2':
    case 'write 3':
      return write(model, state, advancing)
    case 'written':
      if (isHttp(model)) return undefined
      return go({ ...NOTHING, step: 'idle', next: through + 1, filter: handler.filter | identitiesOfBatch(model.rules, handler), seen: handler.seen })
    default:
      return undefined
  }
}

function sendRows(model: Model, state: State, { index, handler }: Advancing, type: 'rows' | 'corrections' = 'rows'): State {
  const { rules } = model
  const { log, filter, rows, corrections } = handler
  const extended = {
    filter: rules.extendAtSend ? filter | identitiesOfBatch(rules, handler) : filter,
    ...(rules.lookAhead && { seen: { raw: state.raw, corrections: state.corrections } }),
  }
  const parts = type === 'rows' ? partsOfRows(log, rows, recordsChanges(model)) : partsOfCorrections(log, corrections, recordsChanges(model))
  return send(withHandler(state, index, extended), index, { type, parts: rules.splitCorrections ? splitCorrections(parts) : parts })
}

/** The order of a batch's four writes is the guarantee. */
function write(model: Model, state: State, advancing: Advancing): State {
  const { index, handler } = advancing
  const number = Number(handler.step.slice(-1))
  const next = number === 3 ? 'written' : `write ${number + 1}`
  switch (orderOfWrites(model)[number]) {
    case 'position':
      return send(state, index, { type: 'position', data: [handler.first, handler.through] })
    case 'rejected':
      return handler.conflicts.length > 0 ? send(state, index, { type: 'rejected', data: handler.conflicts }) : withHandler(state, index, { step: next })
    case 'rows':
      return handler.rows.length > 0 ? sendRows(model, state, advancing) : withHandler(state, index, { step: next })
    default:
      return handler.corrections.length > 0 ? sendRows(model, state, advancing, 'corrections') : withHandler(state, index, { step: next })
  }
}

function orderOfWrites({ rules }: Model): readonly ('position' | 'rows' | 'corrections' | 'rejected')[] {
  const rows = rules.correctionsAfterRows ? (['rows', 'corrections'] as const) : (['corrections', 'rows'] as const)
  if (rules.positionAfterRows) return ['rejected', ...rows, 'position']
  return rules.rowsBeforeRejected ? ['position', ...rows, 'rejected'] : ['position', 'rejected', ...rows]
}

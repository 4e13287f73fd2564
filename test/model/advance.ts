import { identitiesOf, partsOf } from './detect.ts'
import { isHttp, type Model, sorted } from './model.ts'
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
  'reconcile rows stored': 'recount',
  'repair stored': 'reconciled',
  'write 0 stored': 'write 1',
  'write 1 stored': 'write 2',
  'write 2 stored': 'write 3',
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
  const { step, rows, conflicts, parts, through } = handler
  if (AFTER[step] !== undefined) return go({ step: AFTER[step] })
  switch (step) {
    case 'reconcile rejected':
      return conflicts.length > 0 ? send(state, index, { type: 'rejected', data: conflicts }) : go({ step: 'reconcile rows' })
    case 'reconcile rows':
      return rows.length > 0 ? sendRows(model, state, advancing) : go({ step: 'recount' })
    case 'recount':
      return model.rules.recount ? undefined : go({ step: 'reconciled' })
    case 'repair':
      return parts.length > 0 ? send(go({ parts: [] }), index, { type: 'differences', parts }) : go({ step: 'reconciled' })
    case 'reconciled':
      if (handler.retiresFor >= 0) return go({ step: 'retired' })
      return state.left.rewinds > 0 ? undefined : go({ step: 'idle', next: through + 1, rows: [], conflicts: [], notes: [] })
    case 'write 0':
    case 'write 1':
    case 'write 2':
      return write(model, state, advancing)
    case 'write 3':
      if (isHttp(model)) return undefined
      return go({ ...NOTHING, step: 'idle', next: through + 1, filter: handler.filter | identitiesOf(rows), seen: handler.seen })
    default:
      return undefined
  }
}

function sendRows({ rules }: Model, state: State, { index, handler: { log, filter, rows } }: Advancing): State {
  const extended = { filter: rules.extendAtSend ? filter | identitiesOf(rows) : filter, ...(rules.lookAhead && { seen: at(state.raw, log) }) }
  return send(withHandler(state, index, extended), index, { type: 'rows', parts: partsOf(log, rows) })
}

/** The order of a batch's three writes is the guarantee. */
function write(model: Model, state: State, advancing: Advancing): State {
  const { index, handler } = advancing
  const number = Number(handler.step.slice(-1))
  const { positionAfterRows, rowsBeforeRejected } = model.rules
  const order = positionAfterRows ? ['rejected', 'rows', 'position'] : rowsBeforeRejected ? ['position', 'rows', 'rejected'] : ['position', 'rejected', 'rows']
  if (order[number] === 'position') return send(state, index, { type: 'position', data: [handler.first, handler.through] })
  if (order[number] === 'rejected' && handler.conflicts.length > 0) return send(state, index, { type: 'rejected', data: handler.conflicts })
  if (order[number] === 'rows' && handler.rows.length > 0) return sendRows(model, state, advancing)
  return withHandler(state, index, { step: `write ${number + 1}` })
}

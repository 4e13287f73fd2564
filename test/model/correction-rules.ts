/**
 * The rules that corrections add to the protocol (docs/design/corrections.md). As with the other rules, a search that takes one out must
 * find a violation.
 */
export const CORRECTION_RULES = {
  fenceCorrections: 'corrections pass the fence too',
  correctionsAfterRows: 'corrections are written after the rows, because the event that they correct may be in the same batch',
  sharedIdentities: 'events and corrections share their identities: each is looked up among both',
  filterCorrections: 'the identities of corrections are added to the filter too',
  targetInBatch: 'the corrected event may be in the same batch',
  earlierOnly: 'a correction changes only an event that is before it in the log',
  targetFirst: 'the corrected event is looked up before the identity of the correction',
  compareWithOriginal: 'a copy of an event is compared with the value that was sent, not with the corrected one',
  voidKeepsIdentity: 'a voided event keeps its identity',
  differenceFromLatest: 'a correction adds the difference from the latest correction before it, not from the original value',
  latestByRevision: 'the correction with the highest revision wins, not the one with the highest offset',
  reconcileCorrections: 'reconciling inserts the corrections that are missing of the range',
  monthsOfCorrections: 'reconciling recounts the months of the corrections of the range too',
  recountCorrections: 'a recount includes the differences of corrections',
  compareRecords: 'reconciling compares the number of events and corrections, not the number of events that count',
  aheadByRecords: 'the rollup is ahead of raw if it has more events and corrections, not if it has more events that count',
  foldCorrectedCells: 'the maximum of a cell that has a correction is folded from raw, not read from the rollup',
  changeAfterRollup: 'a change of a month is recorded after its rollup has it',
  changeInReconciling: 'reconciling records a change of each month of the range',
  numberBeforeRefresh: 'a refresh reads the number of changes before the totals',
  billRecords: 'a closing compares the number of events and corrections with what was billed, not the number of events that count',
  numberBeforeRecount: 'a closing reads the number of changes before its recount',
} as const

/** What the replacement of a window adds. */
export const WINDOW_RULES = {
  heldDoNotCount: 'an event of a batch does not count before a closing corrects it',
  heldIsNoCopy: 'an event of a batch and an ordinary one with its identity are a conflict, never copies of each other',
  waitingIsUnknown: 'an event of a batch that is open cannot be corrected',
  rejectAfterClose: 'an event that comes after the closing of its batch is rejected',
  windowAlone: 'a closing, or a revert, is a batch of its own',
  markWindow: 'a closing stores a marker together with its corrections, also if there are none',
  revertToBefore: 'a revert gives an event the value that it had before the closing, which is not always the one that was sent',
} as const

/** Faults, which are no part of the protocol: a search that adds one must find a violation as well. */
export const CORRECTION_FAULTS = {
  splitCorrections: 'two corrections of one event are not committed together',
} as const

/** Another protocol that keeps the promises as well. It is simpler, and its reads cost more. */
export const CORRECTION_VARIANTS = {
  foldAllKinds: 'sums of a cell that has a correction are folded from raw as well: a correction adds no difference to the rollup',
} as const

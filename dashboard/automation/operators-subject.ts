import type { Subject } from '../address/subject.ts'

/** For webhooks and thresholds, operators are one owner beside the partners, whatever partner they look at. */
export const OPERATORS: Subject = { partnerId: '', asAdmin: true }

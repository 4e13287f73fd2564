import type { Subject } from '../address/subject.ts'

/** For webhooks and thresholds, operators are one owner beside the partners, whatever partner they look at. Spikes are those of all partners. */
export const OPERATORS: Subject = { partnerId: '', asAdmin: true }

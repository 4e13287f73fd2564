/**
 * The faults that stop a partition until an operator decides, because going on would skip events or count them twice. Its watermark
 * stays where it is meanwhile, so no month is closed without its events.
 */
export const INCIDENTS = {
  log_end_below_position: {
    what: 'the partition ends below the stored position: the topic was truncated or created again',
    command: 'meterline log reset',
  },
  log_begin_above_position: {
    what: 'the partition begins above the stored position: retention deleted events before they were read',
    command: 'meterline log reset',
  },
  topic_created_anew: {
    what: 'the partition has other events at offsets that were counted already: the topic was deleted and created again',
    command: 'meterline log reset',
  },
  log_overwritten: {
    what: 'records that were processed were replaced by others: an unclean leader election or a broker lost writes',
    command: 'meterline log reset',
  },
  unreadable: {
    what: 'a batch of records cannot be read',
    command: 'meterline log reset',
    before: 'have its events produced again in smaller batches, delete the records of the partition through it with kafka-delete-records.sh, and ',
  },
  partition_count_changed: {
    what: 'the topic has a different number of partitions from the recorded one, so projects would move between logs',
    command: 'meterline log repartition',
  },
} as const

export type IncidentKind = keyof typeof INCIDENTS

export class Incident extends Error {
  readonly kind: IncidentKind

  constructor(kind: IncidentKind, log: string, details: string) {
    const { what, command, ...rest } = INCIDENTS[kind]
    const before = 'before' in rest ? rest.before : ''
    super(`The log ${log} has stopped: ${what} (${details}). No event was skipped. To continue, ${before}run "${command}".`)
    this.name = 'Incident'
    this.kind = kind
  }
}

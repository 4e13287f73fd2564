/**
 * What stops a partition until an operator decides: going on would skip events or count others' twice (incidents stop,
 * they do not skip). The watermark holds, so no month closes over it.
 */
export const INCIDENTS = {
  log_end_below_position: {
    what: 'the log ends below the position that was stored: the topic was cut or created anew',
    verb: 'meterline log reset',
  },
  log_begin_above_position: {
    what: 'the log begins above the position that was stored: retention deleted events before they were read',
    verb: 'meterline log reset',
  },
  topic_created_anew: {
    what: 'the log holds other events at offsets that were counted already: the topic was created anew',
    verb: 'meterline log reset',
  },
  partition_count_changed: {
    what: 'the topic has another number of partitions than is pinned, so projects would move between logs',
    verb: 'meterline log repartition',
  },
} as const

export type IncidentKind = keyof typeof INCIDENTS

export class Incident extends Error {
  readonly kind: IncidentKind

  constructor(kind: IncidentKind, log: string, details: string) {
    const { what, verb } = INCIDENTS[kind]
    super(`The log ${log} has stopped: ${what} (${details}). Nothing is skipped until "${verb}" says how to go on.`)
    this.name = 'Incident'
    this.kind = kind
  }
}

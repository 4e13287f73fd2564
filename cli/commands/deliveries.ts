import { LIST_DELIVERIES } from '../../contract/deliveries.ts'
import { grouped } from '../../metering/grouped.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { callForList } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const deliveriesCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('deliveries')
      .description('list what schedules delivered of a month: objects, their revisions and hashes')
      .requiredOption('--month <month>', 'YYYY-MM')
      .option('--partner <id>', 'only files that contain this partner: its own, and those of all partners')
      .option('--limit <n>', 'number of deliveries; default 100')
      .action((own: DeliveriesOptions) => run((session) => listDeliveries(session, own))),
    ['meterline deliveries --month 2026-01', 'which files of January finance has'],
    ['meterline deliveries --month 2026-01 --partner p_1 --json', 'those with a partner, with whole names and hashes'],
  )
}

interface DeliveriesOptions {
  readonly month: string
  readonly partner?: string
  readonly limit?: string
}

/** Lists them from as many pages as it takes. Throws CliError. */
async function listDeliveries(session: Session, { month, partner, limit = '100' }: DeliveriesOptions): Promise<void> {
  const rowsMax = limitFrom(limit, 'deliveries')
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_DELIVERIES, {
    rows: 'deliveries',
    query: { month, partner },
    rowsMax,
  })
  printAnswer(session, text, () => {
    if (answer.deliveries.length === 0) return [`No schedule has delivered a file of ${month}.`]
    const rows = answer.deliveries.map((each) => [
      ...[each.schedule_name ?? each.schedule_id, each.what, each.partner_id ?? 'all', each.day ?? month, String(each.revision)],
      each.complete ? each.billing_status : 'not complete',
      ...[grouped(String(each.bytes)), each.sha256.slice(0, SHOWN_CHARACTERS), each.delivered_at, each.delivered_to ?? 'unknown'],
    ])
    return [plainTable(['schedule', 'what', 'partner', 'of', 'revision', 'state', 'bytes', 'sha256', 'delivered at', flexible('delivered to')], rows, [4, 6])]
  })
}

const SHOWN_CHARACTERS = 12

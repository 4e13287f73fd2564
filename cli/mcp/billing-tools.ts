import { z } from 'zod'
import { requireComplete } from '../../contract/complete-export.ts'
import { EXPORT_FORMATS } from '../../contract/export-formats.ts'
import { Manifest } from '../../contract/export-manifest.ts'
import { EXPORT_LINES, EXPORT_OWN_STATEMENT } from '../../contract/exports.ts'
import { GET_OWN_STATEMENT, GET_STATEMENT } from '../../contract/statements.ts'
import { counted } from '../../metering/counted.ts'
import { periodOfMonth } from '../../metering/month.ts'
import { type Connection, requirePartnerId } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { callForText, type Download, openDownload } from '../http-client.ts'
import { BYTE_DAYS_TOO, defineTool, PARTNER_OF_ADMIN, REQUIRED_MONTH } from './tool.ts'
import { METRICS_OF_STATEMENT, metricsOfStatement, readTexts, type ToolAnswer } from './tool-answer.ts'

/** What a model can read at a time; larger files are for `meterline export`. */
const FILE_BYTES_MAX = 256 * 1024
/** The formats that are text. */
const FORMATS = ['csv', 'ndjson', 'focus-csv'] as const

const LINES_OF_A_PEAK = 'On a statement the lines of a peak have the value of each project on the peak day of the partner, so that they add up to the total.'

export const statement = defineTool({
  name: 'statement',
  title: 'Statement of a month',
  description: `What a partner is billed for a month. ${LINES_OF_A_PEAK} Of a closed statement only unbilled can still change: it goes on the next one.`,
  kinds: ['partner', 'admin'],
  input: z.strictObject({ month: REQUIRED_MONTH, byte_days: BYTE_DAYS_TOO, partner_id: PARTNER_OF_ADMIN }),
  run: async (connection, { month, byte_days, partner_id }) => {
    const params = { partnerId: requirePartnerId({ ...connection, partnerId: partner_id ?? connection.partnerId }), month }
    const operation = connection.credential.kind === 'admin' ? GET_STATEMENT : GET_OWN_STATEMENT
    const { answer, text } = await callForText(connection, operation, { params, query: { include: byte_days ? 'byte_days' : undefined } })
    const { as_of, status } = answer.statement
    return { answer: { period: instantsOf(periodOfMonth(month)), as_of, status, metrics: metricsOfStatement(answer.totals), result: readTexts(text) } }
  },
})

export const exportTool = defineTool({
  name: 'export',
  title: 'Export of a month',
  description: `The lines of the statement of a month as a file, with their totals. With an admin token and without partner_id: of all partners. ${LINES_OF_A_PEAK} At most ${FILE_BYTES_MAX} bytes.`,
  kinds: ['partner', 'admin'],
  input: z.strictObject({ month: REQUIRED_MONTH, format: z.enum(FORMATS).default('csv'), partner_id: PARTNER_OF_ADMIN }),
  run: async (connection, { month, format, partner_id }) => {
    const download = await requestExport(connection, { month, format, partner: partner_id })
    const header = download.headers.get('x-meterline-manifest')
    if (header === null) throw new CliError('The server is not Meterline, or a proxy removed a header.', EXIT.error, { code: 'NOT_METERLINE' })
    const { as_of, status, from, to, ...rest } = Manifest.parse(JSON.parse(header))
    const file = await readFile(download, { rows: rest.rows, month, format })
    const result = {
      ...rest,
      rows: String(rest.rows),
      partners: String(rest.partners),
      totals: rest.totals.map((total) => ({ ...total, rows: String(total.rows) })),
    }
    const answer: ToolAnswer = { period: instantsOf({ first: from, last: to }), as_of, status, metrics: METRICS_OF_STATEMENT, result }
    return { answer, file }
  },
})

interface Asked {
  readonly month: string
  readonly format: (typeof FORMATS)[number]
  readonly partner: string | undefined
}

function requestExport(connection: Connection, { month, format, partner }: Asked): Promise<Download> {
  if (connection.credential.kind === 'admin') return openDownload(connection, EXPORT_LINES, { query: { month, partner, format } })
  return openDownload(connection, EXPORT_OWN_STATEMENT, { params: { partnerId: requirePartnerId(connection), month }, query: { format } })
}

/** The whole file or an error: of a part the lines would not add up to the totals. */
async function readFile({ chunks }: Download, { rows, month, format }: { rows: number; month: string; format: Asked['format'] }): Promise<string> {
  const read: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of requireComplete(chunks, { container: EXPORT_FORMATS[format].container, rows })) {
    read.push(chunk)
    bytes += chunk.length
    if (bytes > FILE_BYTES_MAX)
      throw new CliError(`The file has ${counted(rows, 'row')} and more than ${FILE_BYTES_MAX} bytes.`, EXIT.error, {
        code: 'EXPORT_TOO_LARGE',
        next: `Write it to a disk with "meterline export --month ${month} --format ${format}", or read the totals with the tool statement.`,
      })
  }
  return Buffer.concat(read).toString('utf8')
}

function instantsOf({ first, last }: { first: string; last: string }): ToolAnswer['period'] {
  return { start: `${first}T00:00:00Z`, end: `${last}T23:59:59Z` }
}

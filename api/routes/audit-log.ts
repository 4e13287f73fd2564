import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Instant } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { type AuditEntry, listAuditEntries } from '../../registry/audit-log.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { pageOf } from '../requests/cursor.ts'

/** Who changed what, and who read a secret. The first path is what it is called, the second what it is often looked for under. */
const PATHS = ['/admin/v1/audit-log', '/admin/v1/audit'] as const

export function auditLogRoutes(app: FastifyInstance, { clickhouse }: ApiContext): void {
  for (const path of PATHS) {
    app.withTypeProvider<ZodTypeProvider>().get(
      path,
      {
        config: { access: FINANCE },
        schema: {
          tags: ['audit log'],
          summary: 'Every change, and every secret that was read',
          description:
            'Append-only. An entry is written before what it tells of. `hash` is the SHA-256 of the JSON list [previous_hash, seq, at, actor, action, subject, details as JSON text, request_id]: "meterline audit-log verify" follows the chain.',
          querystring: AuditLogQuery,
          response: { 200: AuditLogAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
        },
      },
      async (request) => {
        const { order, cursor, limit, action, subject } = request.query
        const entries = await listAuditEntries(clickhouse, { newestFirst: order === 'newest', after: cursor, action, subject, limit: limit + 1 })
        const { shown, next_cursor } = pageOf(entries, limit, ({ seq }) => String(seq))
        return { entries: shown.map(entryAnswer), next_cursor }
      },
    )
  }
}

const FILTER_CHARACTERS_MAX = 256

const AuditLogQuery = PageQuery.extend({
  order: z.enum(['newest', 'oldest']).default('newest').meta({ description: 'Which come first.' }),
  action: z.string().max(FILTER_CHARACTERS_MAX).default('').meta({ description: 'Only these, such as `partner.create`.' }),
  subject: z.string().max(FILTER_CHARACTERS_MAX).default('').meta({ description: 'Only what was done to this id.' }),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'must be `next_cursor` of the page before')
    .transform(Number)
    .optional()
    .meta({ description: '`next_cursor` of the page before, with the same order and filters.' }),
})

const Detail = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())])

const AuditLogAnswer = z.object({
  entries: z.array(
    z.object({
      seq: z.number().int().meta({ description: 'From 1, without a gap.' }),
      at: Instant,
      actor: z.string().meta({ description: '`admin`, `admin:<role>:<token id>`, `partner:<id>`, or `service` for what goes on by itself.' }),
      action: z.string(),
      subject: z.string().meta({ description: 'The id of what is changed.' }),
      details: z.record(z.string(), Detail),
      request_id: z.string(),
      previous_hash: z.string(),
      hash: z.string(),
    }),
  ),
  next_cursor: NextCursor,
})

function entryAnswer({ details, ...entry }: AuditEntry) {
  return { ...entry, details: z.record(z.string(), Detail).parse(JSON.parse(details)) }
}

import { pathOf } from '../calls/call.ts'
import type { ShownUsage } from './shown-usage.ts'

/** The request behind a card, for a shell. The credential stays a variable: what is copied ends up in chats and tickets. */
export function curlOf({ of, subject, projectId, period }: ShownUsage): string {
  const { path, params } = requestOf({ subject, projectId })
  const query = { start_date: period.first, end_date: period.last, ...(of === 'partnership' ? { include: 'daily' } : {}) }
  const header = subject.asAdmin ? 'Authorization: Bearer $METERLINE_ADMIN_TOKEN' : 'X-Partnership-Secret: $METERLINE_PARTNER_SECRET'
  return `curl -H "${header}" '${new URL(`.${pathOf(path, { params, query })}`, document.baseURI).href}'`
}

function requestOf({ subject: { partnerId, asAdmin }, projectId }: { subject: ShownUsage['subject']; projectId: string | undefined }) {
  if (projectId === undefined) return { path: asAdmin ? '/admin/v1/partners/:partnerId/usage' : '/partnership/v1/:partnerId/usage', params: { partnerId } }
  return { path: asAdmin ? '/admin/v1/projects/:projectId/usage' : '/partnership/v1/:partnerId/:projectId/usage', params: { partnerId, projectId } }
}

/** The same figure in the command line. */
export function cliOf({ projectId, period }: ShownUsage): string {
  return `meterline usage${projectId === undefined ? '' : ` ${projectId}`} --from ${period.first} --to ${period.last}`
}

export function pageLinkOf(): string {
  return location.href
}

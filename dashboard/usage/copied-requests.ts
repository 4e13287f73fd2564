import { address, linkTo } from '../address/address.ts'
import { periodOf } from '../address/period.ts'
import { addressOf } from '../calls/call.ts'
import { session } from '../session/session.ts'
import type { ShownUsage } from './shown-usage.ts'

/** The request behind a card, for a shell. The credential stays a variable: what is copied ends up in chats and tickets. */
export function curlOf({ of, subject, projectId, period }: ShownUsage): string {
  const { path, params } = requestOf({ subject, projectId })
  const query = { start_date: period.first, end_date: period.last, ...(of === 'partnership' ? { include: 'daily' } : {}) }
  return `curl -H "${headerOf(subject)}" '${addressOf(path, { params, query }).href}'`
}

/** As the reader is signed in: who has a token only does not know the secret. */
function headerOf({ asAdmin }: ShownUsage['subject']): string {
  if (asAdmin) return 'Authorization: Bearer $METERLINE_ACCESS_TOKEN'
  return session.value?.credential['authorization'] === undefined
    ? 'X-Partnership-Secret: $METERLINE_ACCESS_TOKEN'
    : 'Authorization: Bearer $METERLINE_ACCESS_TOKEN'
}

function requestOf({ subject: { partnerId, asAdmin }, projectId }: { subject: ShownUsage['subject']; projectId: string | undefined }) {
  if (projectId === undefined) return { path: asAdmin ? '/admin/v1/partners/:partnerId/usage' : '/partnership/v1/:partnerId/usage', params: { partnerId } }
  return { path: asAdmin ? '/admin/v1/projects/:projectId/usage' : '/partnership/v1/:partnerId/:projectId/usage', params: { partnerId, projectId } }
}

/** The same figure in the command line. */
export function cliOf({ subject, projectId, period }: ShownUsage): string {
  return `npx meterline usage${projectId === undefined ? '' : ` ${projectId}`} --partner ${subject.partnerId} --from ${period.first} --to ${period.last}`
}

/** The page as it is shown. It names the month, which without a parameter would be another one next month. */
export function pageLinkOf({ period }: ShownUsage): string {
  const { parts, parameters } = address.value
  const isMonth = periodOf(parameters, Date.now()).choice.startsWith('month:')
  return new URL(linkTo(parts, isMonth ? { ...parameters, month: period.first.slice(0, 7) } : parameters), location.href).href
}

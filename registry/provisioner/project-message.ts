import { v5 as uuidV5 } from 'uuid'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { WebhookMessage } from '../../outgoing/send-webhook.ts'
import type { Project } from '../projects/project.ts'

/**
 * The message that tells the platform the whole state a project should have, not what changed, so that the next message
 * makes up for a lost one. Its id is the same at every attempt and after every restart, and `revision` orders messages that
 * arrive out of order. It has no api_key: the partner has that, and messages may be logged in many places.
 */
export function projectMessage(project: Project, nowMs: number): WebhookMessage {
  const data = {
    id: project.id,
    partner_id: project.partnerId,
    account_id: project.accountId === '' ? null : project.accountId,
    name: project.name,
    region: project.region,
    instance_type: project.instanceType,
    access_host: project.accessHost,
    status: project.wantedStatus,
    revision: project.wantedRevision,
  }
  return {
    id: `${uuidV5(project.id, MESSAGE_NAMESPACE)}-${project.wantedRevision}`,
    timestampS: Math.floor(nowMs / MS_PER_SECOND),
    body: Buffer.from(JSON.stringify({ type: 'project.updated', timestamp: formatTimestamp(nowMs), data }), 'utf8'),
  }
}

const MS_PER_SECOND = 1_000
/** Message ids are derived, because project ids may contain characters that message ids may not. */
const MESSAGE_NAMESPACE = '0b8f6a5e-93d1-4f0e-8c7a-52e1d94b6f3a'

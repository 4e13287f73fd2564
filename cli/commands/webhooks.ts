import type { RequestInput } from '../../contract/operation.ts'
import { DELIVERY_STATUSES, type DeliveryOutcome, WEBHOOK_EVENTS } from '../../contract/webhook-events.ts'
import {
  CREATE_OWN_WEBHOOK,
  CREATE_WEBHOOK,
  LIST_OWN_WEBHOOK_DELIVERIES,
  LIST_OWN_WEBHOOKS,
  LIST_WEBHOOK_DELIVERIES,
  LIST_WEBHOOKS,
  REMOVE_OWN_WEBHOOK,
  REMOVE_WEBHOOK,
  RESEND_MESSAGE,
  RESEND_OWN_MESSAGE,
  ROTATE_OWN_WEBHOOK_SECRET,
  ROTATE_WEBHOOK_SECRET,
  SET_BY_ALL,
  TEST_OWN_WEBHOOK,
  TEST_WEBHOOK,
  UPDATE_OWN_WEBHOOK,
  UPDATE_WEBHOOK,
} from '../../contract/webhooks.ts'
import { confirm } from '../ask.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { callForList, callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import { OUT_OPTION, printNewSecret } from '../print-new-secret.ts'
import type { Session } from '../session.ts'

const ID = 'wh_3f0c2b6e9d8a4c51b7e0'

export const webhooksCommand: CommandRegistration = (program, run) => {
  const webhooks = program.command('webhooks').description('where messages are sent; of the partner that you are, or of operators')
  withExamples(
    webhooks
      .command('list')
      .description('list your webhooks, and whether their deliveries fail')
      .option('--set-by <who>', `for operators: a partner's id for its webhooks, or ${SET_BY_ALL} for those of operators and all partners`)
      .action((own: ListOptions) => run((session) => list(session, own))),
    ['meterline webhooks list', 'a webhook that failed for days is disabled'],
    ['meterline webhooks list --set-by ps_AAAAAAAAAAAA', 'those of a partner, which operators can disable and remove'],
  )
  withExamples(
    webhooks
      .command('add <url>')
      .description('add a webhook; its secret is shown once')
      .requiredOption('--event <type...>', `the types of messages: ${WEBHOOK_EVENTS.join(', ')}`)
      .option('--partner <id>', 'for operators: only messages about this partner')
      .option(...OUT_OPTION)
      .action((url: string, own: AddOptions) => run((session) => add(session, url, own))),
    ['meterline webhooks add https://hooks.example.com/m --event usage.threshold_reached', 'one type of messages'],
  )
  withExamples(
    webhooks
      .command('update <id> [url]')
      .description('change the URL of a webhook, where what is pending is sent then, or which messages it gets')
      .option('--event <type...>', 'the types of messages from now on, instead of those before')
      .action((id: string, url: string | undefined, { event }: UpdateOptions) => run((session) => update(session, id, { url, event }))),
    [`meterline webhooks update ${ID} https://hooks.example.com/new`, 'keeps its secret and its types of messages'],
    [`meterline webhooks update ${ID} --event statement.closed usage.spike`, 'these two types only'],
  )
  const changes = [
    ['enable', true, 'enable a webhook; pending messages are sent'],
    ['disable', false, 'disable a webhook; what is pending waits, and what happens meanwhile is not stored for it'],
  ] as const
  for (const [name, enabled, description] of changes) {
    const command = webhooks.command(`${name} <id>`).description(description)
    withExamples(
      command.action((id: string) => run((session) => enable(session, id, enabled))),
      [`meterline webhooks ${name} ${ID}`, 'by its id'],
    )
  }
  withExamples(
    webhooks
      .command('remove <id>')
      .description('remove a webhook')
      .action((id: string) => run((session) => remove(session, id))),
    [`meterline webhooks remove ${ID}`, 'asks first'],
  )
  withExamples(
    webhooks
      .command('rotate <id>')
      .description('replace the secret of a webhook; the previous one signs too for a day')
      .option(...OUT_OPTION)
      .action((id: string, { out }: { out?: string }) => run((session) => rotate(session, id, out))),
    [`meterline webhooks rotate ${ID} --out webhook.secret`, 'writes it to a file'],
  )
  withExamples(
    webhooks
      .command('test <id>')
      .description('send a test message now, and show how it went; exits with 1 if it was not delivered')
      .action((id: string) => run((session) => test(session, id))),
    [`meterline webhooks test ${ID}`, 'also to a disabled webhook'],
  )
  withExamples(
    webhooks
      .command('deliveries <id>')
      .description('list the messages of a webhook, newest first, and how their delivery went')
      .option('--status <status>', `only these messages: ${DELIVERY_STATUSES.join(', ')}`)
      .option('--limit <n>', 'number of messages', '100')
      .action((id: string, own: DeliveriesOptions) => run((session) => deliveries(session, id, own))),
    [`meterline webhooks deliveries ${ID}`, 'the last 100'],
    [`meterline webhooks deliveries ${ID} --status given_up`, 'what can be sent again with "meterline webhooks resend"'],
  )
  withExamples(
    webhooks
      .command('resend <id> <message>')
      .description('send a message again, with the same id')
      .action((id: string, message: string) => run((session) => resend(session, id, message))),
    [`meterline webhooks resend ${ID} msg_9f2c5d1e8b7a4c3f6e0d9b8a7c6f5e4d`, 'a message that the list of deliveries has'],
  )
}

interface ListOptions {
  readonly setBy?: string
}

interface UpdateOptions {
  readonly event?: readonly string[] | undefined
}

interface DeliveriesOptions {
  readonly status?: string
  readonly limit: string
}

interface AddOptions {
  readonly event: readonly string[]
  readonly partner?: string
  readonly out?: string
}

/** Throws CliError. */
async function list(session: Session, { setBy }: ListOptions): Promise<void> {
  const { connection, own } = open(session)
  if (own !== undefined && setBy !== undefined) throw usageError('--set-by is for operators.', 'Leave it out: a partner has only its own webhooks.')
  const { answer, text } =
    own === undefined
      ? await callForText(connection, LIST_WEBHOOKS, { query: { set_by: setBy } })
      : await callForText(connection, LIST_OWN_WEBHOOKS, { params: own })
  printAnswer(session, text, () => {
    if (answer.webhooks.length === 0) return ['There is no webhook.']
    const rows = answer.webhooks.map((each) => [
      each.id,
      each.set_by ?? 'operators',
      each.url,
      each.events.join('\n'),
      each.partner_id ?? 'all',
      each.enabled ? (each.failing_since === null ? 'enabled' : `failing since ${each.failing_since}`) : 'disabled',
      each.notice ?? '',
    ])
    return [plainTable(['webhook', 'set by', 'url', 'events', 'about partner', 'state', 'notice'], rows)]
  })
}

/** Throws CliError. */
async function add(session: Session, url: string, { event, partner, out }: AddOptions): Promise<void> {
  const { connection, own } = open(session, partner)
  const body = { url, events: [...event] } as NonNullable<RequestInput<typeof CREATE_OWN_WEBHOOK>['body']>
  const ofOperators = { ...body, ...(partner === undefined ? {} : { partner_id: partner }) }
  await printNewSecret(session, out, {
    create: () =>
      own === undefined ? callForText(connection, CREATE_WEBHOOK, { body: ofOperators }) : callForText(connection, CREATE_OWN_WEBHOOK, { params: own, body }),
    member: 'secret',
    fields: ({ webhook }) => ({ id: webhook.id, url: webhook.url, events: webhook.events.join(', ') }),
    ifLost: 'Replace the secret with "meterline webhooks rotate <id>".',
  })
}

/** Throws CliError. */
async function update(session: Session, id: string, { url, event }: UpdateOptions & { readonly url: string | undefined }): Promise<void> {
  if (url === undefined && event === undefined) throw usageError('Nothing to change is given.', 'Give a URL, or add --event.')
  // Whether there are such types is decided by the service.
  const { answer, text } = await sendChange(session, id, { url, events: event as WebhookChange['events'] })
  printAnswer(session, text, () => [`${answer.webhook.id} is changed: ${answer.webhook.events.join(', ')} to ${answer.webhook.url}`])
}

/** Throws CliError. */
async function enable(session: Session, id: string, enabled: boolean): Promise<void> {
  const { answer, text } = await sendChange(session, id, { enabled })
  printAnswer(session, text, () => [`${answer.webhook.id} is ${answer.webhook.enabled ? 'enabled' : 'disabled'}.`])
}

type WebhookChange = NonNullable<RequestInput<typeof UPDATE_WEBHOOK>['body']>

/** Undefined members are left out of the request. */
function sendChange(session: Session, id: string, body: WebhookChange) {
  const { connection, own } = open(session)
  return own === undefined
    ? callForText(connection, UPDATE_WEBHOOK, { params: { webhookId: id }, body })
    : callForText(connection, UPDATE_OWN_WEBHOOK, { params: { ...own, webhookId: id }, body })
}

/** Throws CliError. */
async function remove(session: Session, id: string): Promise<void> {
  const { connection, own } = open(session)
  await confirm(session, `Remove the webhook ${id}? Its pending messages are not sent.`)
  const { answer, text } =
    own === undefined
      ? await callForText(connection, REMOVE_WEBHOOK, { params: { webhookId: id } })
      : await callForText(connection, REMOVE_OWN_WEBHOOK, { params: { ...own, webhookId: id } })
  printAnswer(session, text, () => [`${answer.id} is removed since ${answer.removed_at}.`])
}

/** Throws CliError. */
async function rotate(session: Session, id: string, out: string | undefined): Promise<void> {
  const { connection, own } = open(session)
  await printNewSecret(session, out, {
    create: () =>
      own === undefined
        ? callForText(connection, ROTATE_WEBHOOK_SECRET, { params: { webhookId: id }, body: {} })
        : callForText(connection, ROTATE_OWN_WEBHOOK_SECRET, { params: { ...own, webhookId: id }, body: {} }),
    member: 'secret',
    fields: ({ previous_expires_at }) => ({ id, 'previous secret expires': previous_expires_at }),
    ifLost: 'Replace the secret once more.',
  })
}

/** Throws CliError. */
async function test(session: Session, id: string): Promise<void> {
  const { connection, own } = open(session)
  const { answer, text } =
    own === undefined
      ? await callForText(connection, TEST_WEBHOOK, { params: { webhookId: id } })
      : await callForText(connection, TEST_OWN_WEBHOOK, { params: { ...own, webhookId: id } })
  const { outcome, http_status, duration_ms } = answer
  printAnswer(session, text, () => [`${outcome}${http_status === null ? '' : `, status ${http_status}`}, after ${duration_ms} ms.`])
  if (outcome !== 'delivered')
    throw new CliError(`The test message was not delivered: ${FAILURES[outcome](http_status)}.`, EXIT.error, { code: 'NOT_DELIVERED' })
}

/** Why a message was not delivered. */
const FAILURES: Readonly<Record<Exclude<DeliveryOutcome, 'delivered'>, (status: number | null) => string>> = {
  http_status: (status) => `the receiver answered ${status}; it must answer 2xx`,
  timed_out: () => 'the receiver did not answer in time',
  no_answer: () => 'there was no answer; check the host, the port and the certificate of the URL',
  private_address: () => 'the URL leads to an address that is not public and not in OUTGOING_ALLOW',
  requested: () => 'it was not sent yet',
}

/** From as many pages as it takes. Throws CliError. */
async function deliveries(session: Session, id: string, { status, limit }: DeliveriesOptions): Promise<void> {
  const rowsMax = limitFrom(limit, 'messages')
  const { connection, own } = open(session)
  // Whether there is such a status is decided by the service.
  const query = { status } as RequestInput<typeof LIST_WEBHOOK_DELIVERIES>['query']
  const list = { rows: 'deliveries' as const, rowsMax, query }
  const { answer, text } =
    own === undefined
      ? await callForList(connection, LIST_WEBHOOK_DELIVERIES, { ...list, params: { webhookId: id } })
      : await callForList(connection, LIST_OWN_WEBHOOK_DELIVERIES, { ...list, params: { ...own, webhookId: id } })
  printAnswer(session, text, () => {
    if (answer.deliveries.length === 0) return ['There is no message of the last days.']
    const rows = answer.deliveries.map(({ message_id, type, status, attempts, created_at, last_attempt }) => {
      const last = last_attempt === null ? '' : `${last_attempt.outcome}${last_attempt.http_status === null ? '' : ` ${last_attempt.http_status}`}`
      return [message_id, type, created_at, status, attempts, last]
    })
    return [plainTable(['message', 'type', 'created', 'status', 'attempts', 'last outcome'], rows, [4])]
  })
}

/** Throws CliError. */
async function resend(session: Session, id: string, message: string): Promise<void> {
  const { connection, own } = open(session)
  const ids = { webhookId: id, messageId: message }
  const { answer, text } =
    own === undefined
      ? await callForText(connection, RESEND_MESSAGE, { params: ids })
      : await callForText(connection, RESEND_OWN_MESSAGE, { params: { ...own, ...ids } })
  printAnswer(session, text, () => [`${answer.message_id} is ${answer.status}.`])
}

/** `own` has the partner in the paths of a partner; it is undefined for operators. */
function open(session: Session, partner?: string) {
  const connection = connect(session, ['admin', 'partner'], { partner })
  return { connection, own: connection.credential.kind === 'partner' ? { partnerId: requirePartnerId(connection) } : undefined }
}

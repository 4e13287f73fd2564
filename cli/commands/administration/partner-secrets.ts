import type { Command } from 'commander'
import { ADD_PARTNER_SECRET, OVERLAP_SECONDS_DEFAULT, REVOKE_PARTNER_SECRET } from '../../../contract/partner-secrets.ts'
import { confirm } from '../../ask.ts'
import { type RunCommand, withExamples } from '../../command.ts'
import { connect } from '../../connection/connect.ts'
import { usageError } from '../../errors.ts'
import { callForText } from '../../http-client.ts'
import { printAnswer } from '../../output.ts'
import { OUT_OPTION, printNewSecret } from '../../print-new-secret.ts'
import type { Session } from '../../session.ts'

/** Adds the commands for the secrets of a partner to those for partners. */
export function addSecretCommands(partners: Command, run: RunCommand): void {
  withExamples(
    partners
      .command('rotate <partner>')
      .description('create a new secret of a partner; the previous one expires after the overlap')
      .option('--overlap <seconds>', 'how long the previous secret stays valid, 0 to 2592000', String(OVERLAP_SECONDS_DEFAULT))
      .option(...OUT_OPTION)
      .action((id: string, own: RotateOptions) => run((session) => rotateSecret(session, id, own))),
    ['meterline partners rotate ps_1', 'the previous one stays valid for a day'],
    ['meterline partners rotate ps_1 --overlap 0 --yes --out acme.secret', 'after a leak'],
  )
  withExamples(
    partners
      .command('revoke <partner> <secret>')
      .description('revoke a secret of a partner, by the id that "meterline partners show" lists')
      .action((id: string, secret: string) => run((session) => revokeSecret(session, id, secret))),
    ['meterline partners revoke ps_1 3c9d6f0a-58f2-4d2b-8a26-1f1b1c7a9e55', 'asks first'],
  )
}

interface RotateOptions {
  /** Seconds. */
  readonly overlap: string
  readonly out?: string
}

/** Throws CliError. */
async function rotateSecret(session: Session, partnerId: string, { overlap, out }: RotateOptions): Promise<void> {
  if (!/^\d{1,9}$/.test(overlap)) throw usageError(`--overlap "${overlap}" is not a number of seconds.`)
  const connection = connect(session, ['admin'])
  if (Number(overlap) === 0) await confirm(session, `End the present secret of ${partnerId} immediately?`)
  await printNewSecret(session, out, {
    create: () => callForText(connection, ADD_PARTNER_SECRET, { params: { partnerId }, body: { overlap_seconds: Number(overlap) } }),
    member: 'secret',
    fields: ({ id, replaced }) => ({ id, ...Object.fromEntries(replaced.map((each) => [`expires ${each.expires_at}`, each.id])) }),
    ifLost: `Revoke the new secret ("meterline partners show ${partnerId}" lists it first), then rotate again.`,
  })
}

/** Throws CliError. */
async function revokeSecret(session: Session, partnerId: string, secretId: string): Promise<void> {
  const connection = connect(session, ['admin'])
  await confirm(session, `Revoke the secret ${secretId} of ${partnerId}? What still uses it stops working.`)
  const { answer, text } = await callForText(connection, REVOKE_PARTNER_SECRET, { params: { partnerId, secretId } })
  printAnswer(session, text, () => [`${answer.id} is revoked since ${answer.revoked_at}.`])
}

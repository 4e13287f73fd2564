import { ACCOUNT_PLANS, GET_ACCOUNT, LIST_ACCOUNTS, SET_ACCOUNT_PLAN } from '../../../contract/accounts.ts'
import type { RequestInput } from '../../../contract/operation.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect } from '../../connection/connect.ts'
import { fieldLines } from '../../field-lines.ts'
import { callForList, callForText } from '../../http-client.ts'
import { printAnswer } from '../../output.ts'
import { flexible, plainTable } from '../../plain-table.ts'
import type { Session } from '../../session.ts'

export const accountsCommand: CommandRegistration = (program, run) => {
  const accounts = program.command('accounts').description('the accounts of users of co-branded partners')
  withExamples(
    accounts
      .command('list')
      .description('list accounts, oldest first')
      .option('--partner <id>', 'of one partner only')
      .action((own: { partner?: string }) => run((session) => listAccounts(session, own))),
    ['meterline accounts list --partner ps_1', 'of one partner'],
  )
  withExamples(
    accounts
      .command('show <account>')
      .description('show an account')
      .action((id: string) => run((session) => showAccount(session, id))),
    ['meterline accounts show 7d3c1c0e-52b4-5d0f-9a41-0c6a4f1f7b10', 'its user and its plan'],
  )
  withExamples(
    accounts
      .command('set-plan <account> <plan>')
      .description(`change the plan of an account (${ACCOUNT_PLANS.join(' or ')}), which limits how many projects may be active`)
      .action((id: string, plan: string) => run((session) => setPlan(session, id, plan))),
    ['meterline accounts set-plan 7d3c1c0e-52b4-5d0f-9a41-0c6a4f1f7b10 paid', 'projects that are active stay active'],
  )
}

/** Throws CliError. */
async function listAccounts(session: Session, { partner }: { partner?: string }): Promise<void> {
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_ACCOUNTS, { rows: 'accounts', query: { partner_id: partner } })
  printAnswer(session, text, () => {
    if (answer.accounts.length === 0) return ['There is no account.']
    const rows = answer.accounts.map(({ id, partner_id, email, name, plan, created_at }) => [id, partner_id, email, name, plan, created_at])
    return [plainTable(['account', 'partner', flexible('email'), flexible('name'), 'plan', 'created'], rows)]
  })
}

/** Throws CliError. */
async function showAccount(session: Session, accountId: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), GET_ACCOUNT, { params: { accountId } })
  printAnswer(session, text, () => fieldLines(answer.account))
}

/** Throws CliError. */
async function setPlan(session: Session, accountId: string, plan: string): Promise<void> {
  // A wrong plan is reported by the service itself.
  const body = { plan } as RequestInput<typeof SET_ACCOUNT_PLAN>['body']
  const { answer, text } = await callForText(connect(session, ['admin']), SET_ACCOUNT_PLAN, { params: { accountId }, body })
  printAnswer(session, text, () => fieldLines(answer.account))
}

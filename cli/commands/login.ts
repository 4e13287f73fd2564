import { askSecret, askText, canAsk, readSecretFromStdin } from '../ask.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connectWith, DEFAULT_URL, givenToken, requireUrl } from '../connection/connect.ts'
import { credentialOf } from '../connection/credential.ts'
import { describeIdentity, verifyIdentity } from '../connection/identity.ts'
import { DEFAULT_PROFILE, profilesPath, readProfiles, writeProfiles } from '../connection/stored-profiles.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { printNote, printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const loginCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('login')
      .description('check credentials against the service and store them: a partner secret, an admin token or an ingest key')
      .option('--partner <id>', 'the partner that a partner secret belongs to')
      .action((own: LoginOptions) => run((session) => login(session, own))),
    ['meterline login --url https://meterline.example.com', 'asks for the secret, which is not shown'],
    ['meterline login --partner p_1 < secret-file', 'without a terminal: the secret on stdin'],
    ['meterline login --profile finance --url https://meterline.example.com', 'further credentials, by a name'],
  )
}

export const logoutCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('logout')
      .description('forget stored credentials')
      .option('--all', 'those of all profiles')
      .action((own: LogoutOptions) => run((session) => logout(session, own))),
    ['meterline logout', 'the current profile'],
    ['meterline logout --profile finance', 'another one'],
  )
}

interface LoginOptions {
  readonly partner?: string
}

interface LogoutOptions {
  readonly all?: boolean
}

/** Stores credentials after the service has accepted them. The kind is recognized by the secret itself. Throws CliError. */
async function login(session: Session, { partner }: LoginOptions): Promise<void> {
  const { environment } = session
  const url = await chooseUrl(session)
  const secret = await readSecret(session)
  const { kind } = credentialOf(secret, 'What was given')
  if (kind === 'project')
    throw new CliError('This code of a project expires in ten minutes; it cannot be stored.', EXIT.error, { next: 'Set METERLINE_ACCESS_TOKEN to it instead.' })
  const partnerId = kind === 'partner' ? await choosePartner(session, partner) : undefined
  const identity = await verifyIdentity(connectWith({ url, secret, source: 'What was given' }, { partner: partnerId }))
  const name = session.profile ?? DEFAULT_PROFILE
  const stored = readProfiles(environment)
  writeProfiles(environment, {
    current: name,
    profiles: { ...stored.profiles, [name]: { url, secret, ...(partnerId === undefined ? {} : { partner_id: partnerId }) } },
  })
  const { source: _, ...known } = identity
  printResult(session, { profile: name, ...known }, () => [`Logged in: ${describeIdentity(identity)}`])
  printNote(session, `Stored as the profile "${name}" in ${profilesPath(environment)}, which only you can read.`)
}

async function chooseUrl(session: Session): Promise<string> {
  const given = requireUrl(session.url || session.environment['METERLINE_URL'], session.url ? '--url' : 'METERLINE_URL')
  if (given !== undefined) return given
  const before = readProfiles(session.environment)
  const known = before.profiles[session.profile ?? before.current]?.url ?? DEFAULT_URL
  if (!canAsk(session)) return known
  return requireUrl((await askText(session, `URL of the service [${known}]: `)) || known, 'This') ?? known
}

/** From METERLINE_ACCESS_TOKEN or its file, else from the terminal, else from stdin; never from an option, which other users of the machine can see. */
async function readSecret(session: Session): Promise<string> {
  const given = givenToken(session)
  if (given !== undefined) return given
  const secret = canAsk(session) ? await askSecret(session, 'Partner secret, admin token or ingest key: ') : await readSecretFromStdin()
  if (secret === '')
    throw new CliError('No credentials were given.', EXIT.notAuthenticated, {
      next: 'Write the secret to stdin ("meterline login < secret-file"), or set METERLINE_ACCESS_TOKEN.',
    })
  return secret
}

async function choosePartner(session: Session, partner: string | undefined): Promise<string> {
  const given = partner || session.environment['METERLINE_PARTNER_ID']
  if (given !== undefined && given !== '') return given
  const asked = canAsk(session) ? await askText(session, 'Id of the partner: ') : ''
  if (asked === '') throw usageError('A partner secret belongs to a partner, and its id is not given.', 'Add --partner <id>, or set METERLINE_PARTNER_ID.')
  return asked
}

async function logout(session: Session, { all = false }: LogoutOptions): Promise<void> {
  const stored = readProfiles(session.environment)
  const name = session.profile ?? session.environment['METERLINE_PROFILE'] ?? stored.current
  const removed = all ? Object.keys(stored.profiles) : name in stored.profiles ? [name] : []
  if (session.profile !== undefined && removed.length === 0) throw new CliError(`There is no profile "${name}".`, EXIT.notFound)
  const profiles = Object.fromEntries(Object.entries(stored.profiles).filter(([each]) => !removed.includes(each)))
  const current = stored.current in profiles ? stored.current : (Object.keys(profiles)[0] ?? DEFAULT_PROFILE)
  if (removed.length > 0) writeProfiles(session.environment, { current, profiles })
  printResult(session, { removed }, () => [removed.length === 0 ? 'No credentials are stored.' : `Forgotten: ${removed.join(', ')}`])
  if (removed.length > 0) printNote(session, 'They remain valid: to end them, revoke them at the service.')
}

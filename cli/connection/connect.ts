import type { Endpoint } from '../../contract/client.ts'
import { readSecretFiles } from '../../service/secret-files.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import type { Session } from '../session.ts'
import { type Credential, type CredentialKind, credentialOf, KIND_NAMES, MARKS } from './credential.ts'
import { findLink, type LinkedDirectory } from './linked-directory.ts'
import { type Profile, readProfiles } from './stored-profiles.ts'

/** The service and the credential that a command uses, with where each came from. */
export interface Connection extends Endpoint {
  readonly credential: Credential
  /** Where the credential comes from, for messages. */
  readonly source: string
  /** The partner of the flag, the environment, the linked directory or the profile, in this order. */
  readonly partnerId: string | undefined
  /** The project of the flag, the environment or the linked directory, in this order. */
  readonly projectId: string | undefined
}

export interface GivenIds {
  readonly partner?: string | undefined
  readonly project?: string | undefined
}

export const DEFAULT_URL = 'http://127.0.0.1:8080'

/**
 * The connection of a command that accepts these kinds of credentials. Each value is that of the flag, or else of the environment,
 * of the linked directory, or of the stored credentials. Stored credentials are sent to no other service than their own, and those
 * of the environment to none that only a linked directory names: a cloned repository must not be able to collect them. Throws
 * CliError.
 */
export function connect(session: Session, accepts: readonly CredentialKind[], ids: GivenIds = {}): Connection {
  const { environment } = session
  const link = findLink(process.cwd())
  const found = findCredential(session, link)
  const connection = connectWith(found, {
    partner: ids.partner || environment['METERLINE_PARTNER_ID'] || link?.link.partner_id || found.profile?.partner_id,
    project: ids.project || environment['METERLINE_PROJECT_ID'] || link?.link.project_id,
  })
  if (!accepts.includes(connection.credential.kind)) throw wrongKind(connection, accepts)
  return connection
}

/** The connection of this credential and no other. Throws CliError for one that has expired. */
export function connectWith({ url, secret, source }: Omit<Found, 'profile'>, { partner, project }: GivenIds): Connection {
  const credential = credentialOf(secret, source)
  if (credential.expiresMs !== undefined && credential.expiresMs < Date.now())
    throw new CliError(`${source} expired at ${new Date(credential.expiresMs).toISOString()}.`, EXIT.notAuthenticated, {
      next: 'Create a new one with "meterline token create", or log in again with "meterline login".',
    })
  const headers = credential.kind === 'partner' ? { 'x-partnership-secret': secret } : { authorization: `Bearer ${secret}` }
  return { url, headers, credential, source, partnerId: partner, projectId: project }
}

/** The partner's id for a path. Throws CliError when nothing gives one. */
export function requirePartnerId({ partnerId }: Connection): string {
  if (partnerId !== undefined) return partnerId
  throw usageError('No partner is given.', 'Add --partner <id>, set METERLINE_PARTNER_ID, or log in as the partner with "meterline login".')
}

/** The project's id for a path. Throws CliError with the exit code of a project that is not linked. */
export function requireProjectId({ projectId }: Connection): string {
  if (projectId !== undefined) return projectId
  throw new CliError('No project is given, and this directory is not linked to one.', EXIT.projectNotLinked, {
    next: 'Name the project, or link the directory with "meterline link" (an existing project) or "meterline create" (a new one).',
  })
}

interface Found {
  readonly url: string
  readonly secret: string
  readonly source: string
  readonly profile?: Profile | undefined
}

function findCredential(session: Session, link: LinkedDirectory | undefined): Found {
  const { environment } = session
  const given = requireUrl(session.url || environment['METERLINE_URL'], session.url ? '--url' : 'METERLINE_URL')
  const token = session.profile === undefined ? givenToken(session) : undefined
  if (token !== undefined) {
    if (given === undefined && link !== undefined && link.link.url !== DEFAULT_URL && !hasProfileFor(environment, link.link.url))
      throw usageError(
        `METERLINE_ACCESS_TOKEN is set, and ${link.directory} is linked to ${link.link.url}, for which no credentials are stored.`,
        `If the token is for that service, set METERLINE_URL=${link.link.url} as well; it is sent nowhere before.`,
      )
    return { url: given ?? link?.link.url ?? DEFAULT_URL, secret: token, source: 'METERLINE_ACCESS_TOKEN' }
  }
  const { name, profile } = findProfile(session, given ?? link?.link.url)
  const url = given ?? link?.link.url ?? profile.url
  if (sameService(url, profile.url)) return { url, secret: profile.secret, source: `the profile "${name}"`, profile }
  throw new CliError(`The profile "${name}" has credentials of ${profile.url}, and this call is for ${url}.`, EXIT.notAuthenticated, {
    next: `Log in there: meterline login --url ${url}`,
  })
}

/** The profile that is named, else the current one, else one of the same service. */
function findProfile({ environment, profile: named }: Session, url: string | undefined): { name: string; profile: Profile } {
  const { current, profiles } = readProfiles(environment)
  const wanted = named ?? environment['METERLINE_PROFILE']
  const profile = profiles[wanted ?? current]
  if (wanted !== undefined) {
    if (profile !== undefined) return { name: wanted, profile }
    const names = Object.keys(profiles)
    throw new CliError(`There is no profile "${wanted}".`, EXIT.notAuthenticated, {
      next: names.length === 0 ? `Store credentials with "meterline login --profile ${wanted}".` : `Stored are: ${names.join(', ')}.`,
    })
  }
  if (profile !== undefined && (url === undefined || sameService(url, profile.url))) return { name: current, profile }
  const ofService = Object.entries(profiles).find(([, each]) => url !== undefined && sameService(url, each.url))
  if (ofService !== undefined) return { name: ofService[0], profile: ofService[1] }
  if (profile !== undefined) return { name: current, profile }
  throw new CliError('Not authenticated.', EXIT.notAuthenticated, {
    next: 'Log in with "meterline login", or set METERLINE_ACCESS_TOKEN (or METERLINE_ACCESS_TOKEN_FILE) to an admin token, a partner secret or an ingest key. In embedded mode the admin token is the text of the file admin-token in DATA_DIR.',
  })
}

/** The credentials of the environment, or of the file that it names. Throws CliError for a file that cannot be read. */
export function givenToken({ environment }: Session): string | undefined {
  const { set, problems } = readSecretFiles(environment, ['METERLINE_ACCESS_TOKEN'])
  for (const { name, message } of problems) throw new CliError(`${name}: ${message}.`, EXIT.notAuthenticated)
  return set['METERLINE_ACCESS_TOKEN'] || undefined
}

function hasProfileFor(environment: NodeJS.ProcessEnv, url: string): boolean {
  return Object.values(readProfiles(environment).profiles).some((profile) => sameService(url, profile.url))
}

function sameService(one: string, other: string): boolean {
  return one.replace(/\/+$/, '') === other.replace(/\/+$/, '')
}

/** Throws CliError. Docker and shells pass an unset variable as an empty one. */
export function requireUrl(url: string | undefined, name: string): string | undefined {
  if (url === undefined || url === '') return undefined
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError(`${name} "${url}" is not an http or https URL.`, 'Example: https://meterline.example.com')
  return url
}

function wrongKind({ credential, source }: Connection, accepts: readonly CredentialKind[]): CliError {
  const wanted = accepts.map((each) => KIND_NAMES[each]).join(' or ')
  const marks = `${accepts.map((each) => MARKS[each]).join('; ')}.`
  if (credential.isPossible === false)
    return new CliError(`This command needs ${wanted}; ${source} is no credential of Meterline.`, EXIT.notAuthenticated, {
      next: `Check what it is set to: ${marks}`,
    })
  // What has no prefix is at most an admin token, but perhaps a text from elsewhere.
  if (credential.isPossible === true)
    return new CliError(`This command needs ${wanted}; ${source} is something else, perhaps an admin token.`, EXIT.permissionDenied, {
      next: `Check what it is set to: ${marks} Other credentials are stored under a name of their own: meterline login --profile <name>`,
    })
  return new CliError(`This command needs ${wanted}; ${source} is ${KIND_NAMES[credential.kind]}.`, EXIT.permissionDenied, {
    next: 'Log in with other credentials under a name of their own: meterline login --profile <name>',
  })
}

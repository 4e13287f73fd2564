import type { Command } from 'commander'
import { CliError } from './errors.ts'

/**
 * An error of the service with the fields of the request as the options and arguments of the command that was called, such as --cron
 * for body.cronSchedule. A field that no option gives keeps its name, and so does one in a list of objects of a file.
 */
export function withOptionNames(error: unknown, command: Command | undefined): unknown {
  if (!(error instanceof CliError) || error.code !== 'INVALID_REQUEST' || command === undefined || SENDS_FIELDS.includes(command.name())) return error
  const { exitCode, code, requestId, retryable } = error
  let next = error.next
  const message = error.message.replace(FIELD, (whole, before: string, field: string) => {
    const name = nameOf(field, command)
    next ??= name === undefined ? undefined : NEXT[name]
    return name === undefined ? whole : `${before}${name}: `
  })
  return new CliError(message, exitCode, { code, next, requestId, retryable })
}

/** Such as "body.levels.0.value: ", at the beginning or after another one. */
const FIELD = /(^|; )(?:body|query|params)\.([\w.-]+): /g

/** Options whose field has another name. */
const OPTION_OF_FIELD: Readonly<Record<string, string>> = {
  cronSchedule: 'cron',
  timezone: 'zone',
  httpMethod: 'method',
  headers: 'header',
  isActive: 'active',
  isReserved: 'reserved',
  expiresAt: 'expires',
  levels: 'level',
  events: 'event',
  partner_id: 'partner',
  project_id: 'project',
  start_date: 'from',
  end_date: 'to',
  'export.what': 'export',
  'export.to.url': 'put',
}

const NEXT: Readonly<Record<string, string>> = {
  '--folder': 'A folder is below EXPORT_DIR of the service; --put <url> delivers to a URL instead.',
}

/** These send the fields of the caller as they are. */
const SENDS_FIELDS = ['api']

/** The option of the field, or of the nearest one that contains it. */
function nameOf(field: string, { options, registeredArguments }: Command): string | undefined {
  const segments = field.replace(/\.\d+(\..*)?$/, '').split('.')
  for (let length = segments.length; length > 0; length -= 1) {
    const path = segments.slice(0, length)
    const name = OPTION_OF_FIELD[path.join('.')] ?? kebabCase(path.at(-1) ?? '')
    if (options.some(({ long }) => long === `--${name}`)) return `--${name}`
    if (registeredArguments.some((each) => each.name() === name)) return `<${name}>`
  }
  return undefined
}

function kebabCase(name: string): string {
  return name.replaceAll('_', '-').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

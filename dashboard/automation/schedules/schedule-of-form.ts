import type { FocusVersion } from '../../../contract/export-formats.ts'
import { CallFailed } from '../../calls/call.ts'
import type { NewSchedule, ScheduleChange } from './call-schedules.ts'
import { BYTE_DAYS, NEWEST_FOCUS } from './export-fields.tsx'
import { headersOfText } from './headers-as-text.ts'

/** What the form says, for a new schedule. Throws CallFailed for a body that is not JSON. */
export function scheduleOf(fields: FormData): NewSchedule {
  return { ...timingOf(fields), ...(fields.get('kind') === 'export' ? { export: exportOf(fields) } : callOf(fields)) }
}

/** The same for one that exists: what the other kind of action had is removed. A body that was not touched stays as it is stored. */
export function changeOf(fields: FormData, bodyTextBefore: string): ScheduleChange {
  if (fields.get('kind') === 'export') return { ...timingOf(fields), export: exportOf(fields), functionUrl: null, body: null }
  const { body, ...called } = callOf(fields)
  return { ...timingOf(fields), ...called, export: null, ...(textOf(fields, 'body') === bodyTextBefore ? {} : { body }) }
}

function timingOf(fields: FormData) {
  const [name, cronSchedule, timezone] = ['name', 'cronSchedule', 'timezone'].map((field) => textOf(fields, field))
  return { name: name ?? '', cronSchedule: cronSchedule ?? '', timezone: timezone ?? '', headers: headersOfText(textOf(fields, 'headers')) }
}

function callOf(fields: FormData) {
  return {
    functionUrl: textOf(fields, 'functionUrl'),
    httpMethod: textOf(fields, 'httpMethod') as NonNullable<NewSchedule['httpMethod']>,
    body: bodyOf(textOf(fields, 'body')),
  }
}

/** Without the fields that are not shown for the chosen kind. */
function exportOf(fields: FormData): NonNullable<NewSchedule['export']> {
  const partner = textOf(fields, 'export.partner')
  const focus = textOf(fields, 'export.focus')
  const [what, period, format] = ['export.what', 'export.period', 'export.format'].map((field) => textOf(fields, field))
  return {
    ...({ what, period, format } as Pick<NonNullable<NewSchedule['export']>, 'what' | 'period' | 'format'>),
    ...(focus === '' || focus === NEWEST_FOCUS ? {} : { focus: focus as FocusVersion }),
    ...(textOf(fields, 'export.peaks') === BYTE_DAYS ? (what === 'focus' ? { quantity: 'byte_days' as const } : { include: 'byte_days' as const }) : {}),
    ...(partner === '' ? {} : { partner }),
    to: fields.get('target') === 'folder' ? { folder: textOf(fields, 'export.to.folder') } : { url: textOf(fields, 'export.to.url') },
  }
}

function bodyOf(text: string): Record<string, unknown> | null {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    throw new CallFailed({ status: 400, code: 'BODY_NOT_JSON', message: 'body.body: is not JSON. Write an object such as {"full": true}, or leave it empty.' })
  }
}

/** A form writes line ends as CRLF. */
function textOf(fields: FormData, name: string): string {
  return String(fields.get(name) ?? '')
    .replaceAll('\r\n', '\n')
    .trim()
}

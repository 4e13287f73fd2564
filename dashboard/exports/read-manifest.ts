import type { GET_EXPORT_MANIFEST } from '../../contract/exports.ts'
import { call } from '../calls/call.ts'
import { caller } from '../session/session.ts'
import type { ExportQuery } from './export-form.tsx'

export function readManifest(query: ExportQuery, signal: AbortSignal) {
  return call<typeof GET_EXPORT_MANIFEST>(caller(signal), { method: 'GET', path: '/admin/v1/exports/manifest', query })
}

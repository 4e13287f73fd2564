import type { ExportAction } from '../../contract/schedules.ts'

/**
 * Where an export is delivered to, for readers who may not see the schedule: the folder, or the URL without its query and fragment.
 * The query of a pre-signed URL is a credential.
 */
export function shownTarget({ to }: Pick<ExportAction, 'to'>): string {
  return 'folder' in to ? to.folder : to.url.replace(/[?#].*$/s, '')
}

import type { Change } from '../../registry/changes.ts'
import { row } from '../../sql/tab-separated.ts'
import type { StoredSchedule } from './stored-schedules.ts'

/** Apart from what reads schedules: the process that runs them may not change them. */
export async function writeSchedule(change: Change, schedule: StoredSchedule): Promise<void> {
  const { id, revision, name, definition, isActive, isDeleted, activeFromMs, requestedMs, createdMs, updatedMs } = schedule
  const fields = [id, revision, name, JSON.stringify(definition), Number(isActive), Number(isDeleted), activeFromMs, `[${requestedMs.join(',')}]`]
  await change.write('schedules_inbox_v1', COLUMNS, (owner) => row([...owner, ...fields, createdMs, updatedMs]))
}

const COLUMNS = [
  ...['schedule_id', 'revision', 'name', 'definition', 'is_active', 'is_deleted', 'active_from_ms', 'requested_ms'],
  ...['created_ms', 'updated_ms'],
]

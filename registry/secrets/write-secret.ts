import { row } from '../../sql/tab-separated.ts'
import type { Change } from '../changes.ts'
import type { StoredSecret } from './stored-secrets.ts'

/** Apart from what reads secrets: the process that runs schedules reads them, and its database user may not write them. */
export async function writeSecret(change: Change, secret: StoredSecret): Promise<void> {
  const { key, revision, id, sealedDataKey, sealedValue, isActive, isReserved, createdMs, updatedMs, expiresMs } = secret
  const fields = [key, revision, id, sealedDataKey, sealedValue, Number(isActive), Number(isReserved), createdMs, updatedMs, expiresMs]
  await change.write('secrets_inbox_v1', SECRET_COLUMNS, (owner) => row([...owner, ...fields]))
}

const SECRET_COLUMNS = ['key', 'revision', 'secret_id', 'sealed_data_key', 'sealed_value', 'is_active', 'is_reserved', 'created_ms', 'updated_ms', 'expires_ms']

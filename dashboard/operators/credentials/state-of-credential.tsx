import { showTime } from '../../numbers/show-time.ts'
import { Badge } from '../../parts/notice.tsx'

interface StateOfCredentialProps {
  readonly revokedAt: string | null
  readonly expiresAt?: string | null
}

/** Whether it still works, and until when. */
export function StateOfCredential({ revokedAt, expiresAt = null }: StateOfCredentialProps) {
  if (revokedAt !== null) return <Badge title={showTime(revokedAt)}>revoked</Badge>
  if (expiresAt === null) return <Badge tone="good">valid</Badge>
  if (isOver(expiresAt)) return <Badge title={showTime(expiresAt)}>expired</Badge>
  return <Badge tone="warn">valid until {showTime(expiresAt)}</Badge>
}

export function isValid({ revokedAt, expiresAt = null }: StateOfCredentialProps): boolean {
  return revokedAt === null && (expiresAt === null || !isOver(expiresAt))
}

function isOver(expiresAt: string): boolean {
  return Date.parse(expiresAt) <= Date.now()
}

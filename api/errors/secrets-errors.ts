import type { z } from 'zod'
import { SECRETS_PATH, type SecretsErrorBody, secretsErrorName } from '../../contract/secrets.ts'
import type { ApiError } from './errors.ts'

/** Whether a path is part of the Secrets API, whose errors have the shape that its documentation gives. */
export function isSecretsPath(path: string): boolean {
  return path === SECRETS_PATH || path.startsWith(`${SECRETS_PATH}/`) || path.startsWith(`${SECRETS_PATH}?`)
}

export function secretsErrorBody({ code, message, status }: ApiError): z.output<typeof SecretsErrorBody> {
  return { error: secretsErrorName(code), message, statusCode: status }
}

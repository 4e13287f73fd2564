import type { DeliveryFailure } from '../emitter/deliver.ts'
import { CliError, EXIT } from './errors.ts'
import { EXIT_OF_STATUS } from './http-client.ts'

/** Why events were not delivered, as an error of the command. */
export function deliveryError({ kind, httpStatus, code, message }: DeliveryFailure, next?: string): CliError {
  const retryable = kind === 'gave_up'
  const exitCode = (httpStatus === undefined ? undefined : EXIT_OF_STATUS[httpStatus]) ?? EXIT.error
  return new CliError(message, exitCode, { code: code ?? (retryable ? 'UNREACHABLE' : undefined), next: retryable ? next : undefined, retryable })
}

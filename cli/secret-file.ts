import { closeSync, fstatSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { CliError, EXIT, usageError } from './errors.ts'

/** A new file for secrets that the service shows once. */
export interface SecretFile {
  readonly path: string
  /** Appends a line, which is on the disk afterwards. Throws CliError; `ifLost` is then the next step. */
  write(line: string, ifLost: string): void
  /** Removes the file if nothing was written. */
  close(): void
}

/**
 * Creates the file, readable by its owner only. It is created before the secret is, so that a wrong path costs no secret. Throws CliError
 * if it exists, because it may have the only copy of another secret.
 */
export function createSecretFile(path: string, option: string): SecretFile {
  const file = openNew(path, option)
  return {
    path,
    write: (line, ifLost) => {
      try {
        writeSync(file, `${line}\n`)
        fsyncSync(file)
      } catch (error) {
        throw new CliError(`A secret was created, but ${path} cannot be written (${codeOf(error)}), so it is lost.`, EXIT.error, { next: ifLost })
      }
    },
    close: () => {
      const isEmpty = fstatSync(file).size === 0
      closeSync(file)
      if (isEmpty) rmSync(path, { force: true })
    },
  }
}

function openNew(path: string, option: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') throw usageError(`The file ${path} of ${option} exists and is not overwritten.`, 'Give a file that does not exist.')
    throw usageError(`The file ${path} of ${option} cannot be created (${code}).`, 'Check its folder and the permissions.')
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CliError, usageError } from './errors.ts'
import type { Session } from './session.ts'

/** Whether a person can answer: questions are written to stderr, so that stdout has data only. */
export function canAsk({ json }: Session): boolean {
  return json !== true && process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Asks before something that cannot be undone. Throws CliError unless the answer is yes, or --yes was given. */
export async function confirm(session: Session, question: string): Promise<void> {
  if (session.yes === true) return
  if (!canAsk(session)) throw usageError(`This needs a confirmation: ${question}`, 'Add --yes to confirm it without a terminal.')
  const answer = await askText(session, `${question} [y/N] `)
  if (!/^y(es)?$/i.test(answer)) throw new CliError('Nothing was changed.', undefined, { code: 'NOT_CONFIRMED' })
}

/** Asks for a line of text; the caller has checked canAsk. */
export async function askText(_session: Session, prompt: string): Promise<string> {
  return (await readAnswer(prompt, process.stderr)).trim()
}

/** Asks for a secret, which is not shown while it is typed; the caller has checked canAsk. */
export async function askSecret(_session: Session, prompt: string): Promise<string> {
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() })
  const answer = readAnswer('', hidden)
  // From here on the terminal does not echo: a person, or a program, that answers the prompt immediately must not see the secret.
  process.stderr.write(prompt)
  try {
    return (await answer).trim()
  } finally {
    process.stderr.write('\n')
  }
}

/** Reads a secret that another program writes to stdin, such as a password manager. */
export async function readSecretFromStdin(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) text += String(chunk)
  return text.trim()
}

async function readAnswer(prompt: string, output: NodeJS.WritableStream): Promise<string> {
  const reader = createInterface({ input: process.stdin, output, terminal: true })
  const interrupted = new Promise<never>((_, reject) => {
    reader.once('SIGINT', () => reject(new CliError('Interrupted. Nothing was changed.', undefined, { code: 'INTERRUPTED' })))
    reader.once('close', () => reject(new CliError('No answer was given. Nothing was changed.', undefined, { code: 'INTERRUPTED' })))
  })
  try {
    return await Promise.race([reader.question(prompt), interrupted])
  } finally {
    interrupted.catch(() => {})
    reader.close()
  }
}

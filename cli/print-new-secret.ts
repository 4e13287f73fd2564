import { parseExactJson, stringifyExactJson } from '../metering/exact-json.ts'
import { fieldLines } from './field-lines.ts'
import { printAnswer, printNote } from './output.ts'
import { createSecretFile } from './secret-file.ts'
import type { Session } from './session.ts'

export const OUT_OPTION = ['--out <file>', 'write the secret to a new file that only you can read, and print it nowhere'] as const

interface NewSecret<A> {
  /** Calls the service. */
  readonly create: () => Promise<{ readonly answer: A; readonly text: string }>
  /** The member of the answer that is the secret. */
  readonly member: keyof A & string
  /** The rest of the answer, for people. */
  readonly fields: (answer: A) => Readonly<Record<string, string | null>>
  /** What to do if the secret cannot be written. */
  readonly ifLost: string
}

/** Creates a secret and prints it with the rest of the answer; with `out` the secret is written to that file instead. Throws CliError. */
export async function printNewSecret<A extends object>(
  session: Session,
  out: string | undefined,
  { create, member, fields, ifLost }: NewSecret<A>,
): Promise<void> {
  const file = out === undefined ? undefined : createSecretFile(out, '--out')
  try {
    const { answer, text } = await create()
    const secret = String(answer[member])
    if (file === undefined) {
      printAnswer(session, text, () => fieldLines({ ...fields(answer), [member]: secret }))
      return printNote(session, `The ${member} is shown only now. Store it where its user finds it.`)
    }
    file.write(secret, ifLost)
    printAnswer(session, without(member, text), () => fieldLines(fields(answer)))
    printNote(session, `The ${member} is in ${file.path}, and the service does not show it again.`)
  } finally {
    file?.close()
  }
}

function without(member: string, text: string): string {
  const rest = Object.entries(parseExactJson(text) as object).filter(([name]) => name !== member)
  return stringifyExactJson(Object.fromEntries(rest))
}

import type { ComponentChildren } from 'preact'
import { CallFailed } from '../calls/call.ts'

/** What an input needs so that its hint and its problem are read with it. */
interface FieldAttributes {
  readonly id: string
  readonly name: string
  readonly 'aria-describedby': string
  readonly 'aria-invalid': boolean
}

interface FieldProps {
  readonly label: string
  /** As the service names it in its messages, such as "export.to.url". */
  readonly name: string
  readonly hint?: ComponentChildren
  readonly failure: CallFailed | undefined
  readonly children: (attributes: FieldAttributes) => ComponentChildren
}

/** A control with its label, a hint, and what the service says about the field. */
export function Field({ label, name, hint, failure, children }: FieldProps) {
  const problem = problemOf(failure, name)
  const [id, about] = [`field-${name}`, `about-${name}`]
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, name, 'aria-describedby': about, 'aria-invalid': problem !== undefined })}
      <div id={about}>
        {hint === undefined ? null : <p class="hint">{hint}</p>}
        {problem === undefined ? null : (
          <p class="problem" role="alert">
            {label}: {problem}
          </p>
        )}
      </div>
    </div>
  )
}

/** What the service says about a field; its messages begin with its name, such as "body.name: is required". */
export function problemOf(failure: CallFailed | undefined, name: string): string | undefined {
  const [, field, problem] = /^body\.([^\s:]+): (.+)$/s.exec(failure?.message ?? '') ?? []
  return field === name || field?.startsWith(`${name}.`) || field?.startsWith(`${name}[`) ? problem : undefined
}

/** The failure, unless it is shown beside one of these fields already. */
export function withoutField(failure: CallFailed | undefined, names: readonly string[]): CallFailed | undefined {
  return names.some((name) => problemOf(failure, name) !== undefined) ? undefined : failure
}

/** A failure that names no field, such as PARTNER_NOT_FOUND, as one of the field that it is about. */
export function atField(failure: CallFailed | undefined, code: string, name: string): CallFailed | undefined {
  if (failure?.code !== code || failure.message.startsWith('body.')) return failure
  return new CallFailed({ ...failure, message: `body.${name}: ${failure.message}` })
}

import type { CallFailed } from '../../calls/call.ts'
import { Field } from '../field.tsx'

interface BudgetFieldProps {
  readonly unit: string
  readonly budget?: string | undefined
  readonly failure: CallFailed | undefined
}

export function BudgetField({ unit, budget, failure }: BudgetFieldProps) {
  return (
    <Field
      label={`Budget per month, in ${unit} (optional)`}
      name="budget"
      failure={failure}
      hint="A decimal, such as 2000000. Levels may be a percentage of it."
    >
      {(attributes) => <input {...attributes} defaultValue={budget} inputMode="decimal" maxLength={64} autocomplete="off" />}
    </Field>
  )
}

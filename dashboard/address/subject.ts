import { linkTo } from './address.ts'

/** The partner whose numbers are shown, and who looks: the partner itself, or an admin, for whom the API has paths of its own. */
export interface Subject {
  readonly partnerId: string
  readonly asAdmin: boolean
}

/** The link to a page of this partner. */
export function linkOfSubject({ partnerId, asAdmin }: Subject, parts: readonly string[], parameters?: Readonly<Record<string, string | undefined>>): string {
  return linkTo(asAdmin ? ['partners', partnerId, ...parts] : parts, parameters)
}

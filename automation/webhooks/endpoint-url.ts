import { forbiddenLiteral, type Networks, parseCallableUrl } from '../../outgoing/public-address.ts'

/**
 * What is wrong with the URL of an endpoint, as the end of a sentence; undefined if nothing is. What a name leads to is not checked here
 * but at every call, because it can change.
 */
export function problemOfUrl(text: string, allowed: Networks): string | undefined {
  const url = parseCallableUrl(text)
  if (url === undefined) return 'must be an http or https URL without user and password, such as https://hooks.example.com/meterline'
  const address = forbiddenLiteral(url, allowed)
  return address === undefined ? undefined : 'must lead to a public address, or to one that the operator allows (OUTGOING_ALLOW)'
}

import { type CallableUrl, parseCallableUrl } from '../../outgoing/public-address.ts'

const PLACEHOLDER = '{name}'

/**
 * The URL of an object: its name in place of {name}, otherwise appended to the path. Undefined when that is no callable URL, when {name}
 * is in the host, because a name must not decide which host is called, and with a fragment: it is not sent, so a name in it is lost.
 */
export function nameTarget(template: string, name: string): CallableUrl | undefined {
  if (template.includes('#')) return undefined
  const encoded = name.split('/').map(encodeURIComponent).join('/')
  if (template.includes(PLACEHOLDER)) {
    const url = parseCallableUrl(template.replaceAll(PLACEHOLDER, encoded))
    return url !== undefined && parseCallableUrl(template.replaceAll(PLACEHOLDER, 'other'))?.host === url.host ? url : undefined
  }
  const url = parseCallableUrl(template)
  if (url === undefined) return undefined
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${encoded}`
  return url
}

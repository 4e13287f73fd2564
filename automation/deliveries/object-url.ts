import { type CallableUrl, parseCallableUrl } from '../../outgoing/public-address.ts'

const PLACEHOLDER = '{name}'

/**
 * The URL of an object: its name in place of {name}, otherwise appended to the path. Undefined when that is no callable URL. {name} in
 * the host is undefined too: a name must not decide which host is called.
 */
export function nameTarget(template: string, name: string): CallableUrl | undefined {
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

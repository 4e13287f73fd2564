import { signal } from '@preact/signals'

/** What the part of the URL after # says: a page, and its parameters, such as #/projects/p1?month=2026-10. It is never sent to the service. */
export interface Address {
  /** The parts between slashes, decoded. */
  readonly parts: readonly string[]
  readonly parameters: Readonly<Record<string, string>>
}

export const address = signal<Address>(readAddress())

function readAddress(): Address {
  const [path = '', query = ''] = location.hash.replace(/^#/, '').split('?', 2)
  const parts = path.split('/').filter((part) => part !== '')
  return { parts: parts.map(decoded), parameters: Object.fromEntries(new URLSearchParams(query)) }
}

/** A URL that was typed by hand may hold a % that encodes nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** The link to a page. Parameters without a value are left out. */
export function linkTo(parts: readonly string[], parameters: Readonly<Record<string, string | undefined>> = {}): string {
  const set = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '')
  const query = new URLSearchParams(set).toString()
  return `#/${parts.map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`
}

/** Sets parameters of the page that is shown; undefined removes one. */
export function setParameters(changes: Readonly<Record<string, string | undefined>>): void {
  location.hash = linkTo(address.value.parts, { ...address.value.parameters, ...changes })
}

/** Removes a parameter from the URL and from the history of the tab. */
export function forgetParameter(name: string): void {
  const { parts, parameters } = address.value
  history.replaceState(null, '', linkTo(parts, { ...parameters, [name]: undefined }))
  address.value = readAddress()
}

addEventListener('hashchange', () => {
  address.value = readAddress()
})

/** Browsers compute hashes on https and on localhost only. */
export const canHash = globalThis.crypto.subtle !== undefined

/** In hex; undefined where the browser computes none. */
export async function sha256Of(file: Blob): Promise<string | undefined> {
  if (!canHash) return undefined
  const hash = await crypto.subtle.digest('SHA-256', await file.arrayBuffer())
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The UTC day, as YYYY-MM-DD. */
export function dayOf({ timestampMs }: { readonly timestampMs: number }): string {
  return new Date(timestampMs).toISOString().slice(0, 10)
}

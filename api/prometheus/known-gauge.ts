import { Gauge, type Registry } from 'prom-client'

/** A gauge that has no value while it is not known, rather than a 0 that was never read. */
export function knownGauge(register: Registry, { name, help }: { readonly name: string; readonly help: string }, read: () => number | undefined): void {
  new Gauge({
    name,
    help,
    registers: [register],
    collect() {
      const value = read()
      if (value === undefined) this.remove()
      else this.set(value)
    },
  })
}

import { counted, exactWithUnit, withUnit } from '../../numbers/show-quantity.ts'
import { Table } from '../../parts/table.tsx'
import type { HealthReport } from './read-report.ts'

/** The space of the database, and what fills it. */
export function DatabaseSize({ database: { engine, disks, tables } }: Pick<HealthReport, 'database'>) {
  return (
    <section aria-labelledby="database">
      <h2 id="database">Database</h2>
      <p class="hint">{engine === 'embedded' ? 'ClickHouse inside this process.' : 'A ClickHouse server.'}</p>
      <ul class="disks">
        {disks.map(({ name, free_bytes, total_bytes }) => {
          const percent = percentOf(free_bytes, total_bytes)
          return (
            <li key={name}>
              <span id={`disk-${name}`}>
                Disk {name}: {withUnit(free_bytes, 'byte')} of {withUnit(total_bytes, 'byte')} free, {percent} %
              </span>
              <meter aria-labelledby={`disk-${name}`} min={0} max={100} low={5} high={15} optimum={100} value={percent} />
            </li>
          )
        })}
      </ul>
      <details>
        <summary>{counted(tables.length, 'table')}, the largest first</summary>
        <Table
          caption="Tables of the database"
          isCaptionHidden
          columns={['Table', { title: 'Rows', isNumber: true }, { title: 'Size', isNumber: true }, { title: 'Parts', isNumber: true }]}
          rows={tables.map(({ name, rows, bytes, parts }) => ({
            key: name,
            cells: [<code>{name}</code>, exactWithUnit(rows, 'row'), withUnit(bytes, 'byte'), counted(parts, 'part')],
          }))}
        />
      </details>
    </section>
  )
}

/** Drawn and said as a share only, so a double is enough. */
function percentOf(part: string, whole: string): number {
  return Math.floor((Number(part) / Number(whole)) * 100)
}

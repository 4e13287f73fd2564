/** What a line of an access log says. */
export interface LogLine {
  /** The first field: the client, or the virtual host where the log begins with it. Without a port. */
  readonly host: string
  /** The target of the request as it was logged, with its query; empty for what was no HTTP request. */
  readonly path: string
  readonly status: number
  /** Bytes of the body that were sent. */
  readonly bytes: bigint
  /** The beginning of its UTC hour. */
  readonly hourMs: number
}

/** The combined format of Apache and nginx, also with the virtual host before it or more fields after it. A line that was cut off is none. */
const COMBINED =
  /^(\S+) [^[]*\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d{1,15}|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"(?: .*)?$/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Undefined if the line is not in the combined format, or its time does not exist. */
export function parseLogLine(text: string): LogLine | undefined {
  const match = COMBINED.exec(text)
  if (match === null) return undefined
  const [, host = '', day, month = '', year, hour, minute, second, sign, zoneHours, zoneMinutes, request = '', status, bytes] = match
  const atMs = Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second))
  // A day that does not exist, such as 31/Feb, would become another one.
  const isReal = MONTHS.includes(month) && new Date(atMs).getUTCDate() === Number(day) && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
  if (!isReal) return undefined
  const zoneMs = (Number(zoneHours) * 60 + Number(zoneMinutes)) * MINUTE_MS * (sign === '-' ? -1 : 1)
  return {
    host: host.replace(/:\d+$/, ''),
    path: /^[A-Z]+ (\S+)/.exec(request)?.[1] ?? '',
    status: Number(status),
    bytes: bytes === '-' ? 0n : BigInt(bytes ?? ''),
    hourMs: Math.floor((atMs - zoneMs) / HOUR_MS) * HOUR_MS,
  }
}

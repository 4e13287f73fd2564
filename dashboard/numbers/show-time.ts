/** Days and times are those of UTC, like the days that usage is counted by; only their form is the reader's. */
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' })
const month = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric', timeZone: 'UTC' })
const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })

export function showDay(date: string): string {
  return day.format(new Date(`${date.slice(0, 10)}T00:00:00Z`))
}

export function showMonth(text: string): string {
  return month.format(new Date(`${text}-01T00:00:00Z`))
}

export function showTime(instant: string): string {
  return `${time.format(new Date(instant))} UTC`
}

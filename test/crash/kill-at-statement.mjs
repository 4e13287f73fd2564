// Preloaded into a process (node --import). As soon as the file KILL_FILE exists, the process is killed at the statement that the file names:
// {"name", "when": "before" | "during" | "after", "afterMs"}. No handler runs, and nothing is written any more, as after kill -9.
import { subscribe } from 'node:diagnostics_channel'
import { existsSync, readFileSync } from 'node:fs'

const kill = () => process.kill(process.pid, 'SIGKILL')
const planned = ({ name }, when) => {
  if (!existsSync(process.env.KILL_FILE)) return undefined
  const plan = JSON.parse(readFileSync(process.env.KILL_FILE, 'utf8'))
  return plan.name === name && plan.when === when ? plan : undefined
}

subscribe('tracing:meterline:statement:start', (statement) => {
  if (planned(statement, 'before')) kill()
  const during = planned(statement, 'during')
  if (during) setTimeout(kill, during.afterMs)
})
subscribe('tracing:meterline:statement:asyncEnd', (statement) => {
  if (planned(statement, 'after')) kill()
})

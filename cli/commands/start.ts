import type { ServicePart } from '../../service/start-service.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'

export const startCommand = runs('all', 'start', 'run the whole service in this process (configuration: environment variables, see .env.example)')
export const ingestCommand = runs(
  'ingest',
  'ingest',
  'consume the Kafka topic and count its events; run any number in parallel (needs KAFKA_BROKERS and CLICKHOUSE_URL)',
)
export const aggregateCommand = runs(
  'aggregate',
  'aggregate',
  'refresh totals, audit finished days, close months; run any number in parallel (needs CLICKHOUSE_URL)',
)

/** A command that runs the service, or a part of it, until it is stopped. */
function runs(part: ServicePart, name: string, description: string): CommandRegistration {
  return (program, run) => {
    withExamples(
      program
        .command(name)
        .description(description)
        .option(...ENV_FILE)
        .action((own: EnvFileOptions) => run(async ({ environment }) => (await import('../../service/run.ts')).start(completeFrom(own, environment), part))),
      [
        `meterline ${name}${name === 'start' ? '' : ' --env-file .env'}`,
        name === 'start' ? 'on one machine, with data in ./data' : 'with the variables of a file',
      ],
      ...(name === 'start' ? [['meterline start --env-file .env', 'with the variables of a file'] as const] : []),
    )
  }
}

import { type CommandRegistration, withExamples } from '../command.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { printResult } from '../output.ts'

export const migrateCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('migrate')
      .description('apply the database migrations that this version needs')
      .option(...ENV_FILE)
      .action((own: EnvFileOptions) =>
        run(async (session) => {
          const { migrateStore } = await import('../../service/migrate-store.ts')
          const names = (await migrateStore(completeFrom(own, session.environment))).map(({ number, name }) => `${String(number).padStart(3, '0')}_${name}`)
          printResult(session, { applied: names }, () => (names.length === 0 ? ['The database is up to date.'] : names.map((name) => `applied ${name}`)))
        }),
      ),
    ['meterline migrate --env-file .env', 'before the processes of a new version start'],
  )
}

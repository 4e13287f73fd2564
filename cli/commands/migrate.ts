import type { CommandRegistration } from '../command.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { printResult } from '../output.ts'

export const migrateCommand: CommandRegistration = (program, run) => {
  program
    .command('migrate')
    .description('apply the database migrations that this version needs')
    .option(...ENV_FILE)
    .action((own: EnvFileOptions) =>
      run(async (environment, options) => {
        const { migrateStore } = await import('../../service/migrate-store.ts')
        const names = (await migrateStore(completeFrom(own, environment))).map(({ number, name }) => `${String(number).padStart(3, '0')}_${name}`)
        printResult(options, { applied: names }, () => (names.length === 0 ? ['The database is up to date.'] : names.map((name) => `applied ${name}`)))
      }),
    )
}

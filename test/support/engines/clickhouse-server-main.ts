import { libchdbPath } from 'chdb/libchdb'
import { DataType, load, open } from 'ffi-rs'

/**
 * Runs ClickHouse in this process, with the arguments of its command line, until the process is killed: the package `chdb` contains
 * the whole of it, and its library can be started like the program. Only a statement that never ends keeps it running.
 */
const args = ['clickhouse', ...process.argv.slice(2)]

open({ library: 'clickhouse', path: libchdbPath() })
// It writes its errors to stderr itself.
load({
  library: 'clickhouse',
  funcName: 'chdb_query_cmdline',
  retType: DataType.I32,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
})
process.exit(1)

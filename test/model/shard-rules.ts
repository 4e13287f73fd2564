/** What several shards add to the protocol (docs/design/shards.md). A search that takes one of these rules out must find a violation. */
export const SHARD_RULES = {
  everyShard: 'a total is read from every shard, or not at all',
  outrankAfterRestore: 'after a shard was restored, the lease of its log is acquired above that of the backup',
  raiseChangesAfterRestore: 'after a shard was restored, the number of changes of its days is raised above every earlier one',
} as const

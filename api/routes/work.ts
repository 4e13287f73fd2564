import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import type { JobStats } from '../../aggregator/repeat.ts'
import type { Automating } from '../../automation/start-automation.ts'

/** All background jobs of this process. */
export function workOf({ aggregating, automating }: { aggregating: BackgroundJobs | undefined; automating: Automating | undefined }): JobStats[] {
  return [...(aggregating?.stats() ?? []), ...(automating === undefined ? [] : [...automating.automation.stats(), ...automating.scheduler.stats()])]
}

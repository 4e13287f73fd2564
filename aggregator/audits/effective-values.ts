/**
 * What corrections change, computed from raw and the latest correction of each event, and not from the differences that their writer stored:
 * an audit checks these too. The SQL text is for the auditors alone. `scope` is a condition on project_id and usage_date.
 */

/** The latest correction of each corrected event: project_id, event_id, usage_date, is_voided, value_now. */
function latestCorrections(scope: string): string {
  return `
        SELECT project_id, corrects AS event_id, usage_date,
          argMax(action, revision) = 'void' AS is_voided, argMax(value, revision) AS value_now
        FROM usage_corrections_v1 FINAL
        WHERE ${scope}
        GROUP BY project_id, corrects, usage_date`
}

/** The corrected events as they counted first, one of a batch not at all: project_id, event_id, usage_date, metric, labels, counted, was_voided. */
function correctedEvents(scope: string): string {
  return `
        SELECT project_id, event_id, usage_date, metric, labels,
          if(correction_batch = '', value, toDecimal128(0, 9)) AS counted, correction_batch != '' AS was_voided
        FROM raw_usage_events_v1 FINAL
        WHERE ${scope} AND (project_id, event_id) IN (SELECT project_id, corrects FROM usage_corrections_v1 WHERE ${scope})`
}

/** One row for each corrected event: its key, and by how much corrections change the total and the number of events that do not count. */
export function changesOfEvents(scope: string): string {
  return `
        SELECT project_id, usage_date, metric, labels,
          if(latest.is_voided, toDecimal256(0, 9), toDecimal256(latest.value_now, 9)) - toDecimal256(sent.counted, 9) AS added_total,
          toInt64(latest.is_voided) - toInt64(sent.was_voided) AS voided
        FROM (${correctedEvents(scope)}) AS sent
        INNER JOIN (${latestCorrections(scope)}) AS latest USING (project_id, event_id, usage_date)`
}

/**
 * The greatest value that counts, and the number of events that count, of each (project, day, metric) that has a correction: their
 * maximum has to be folded from raw, because it may be of a voided event.
 */
export function peaksOfCorrectedKeys(scope: string): string {
  return `
        SELECT project_id, usage_date, metric,
          maxIf(if(latest.event_id = '', sent.value, latest.value_now), NOT latest.is_voided AND (latest.event_id != '' OR sent.correction_batch = '')) AS peak_now
        FROM (
          SELECT project_id, event_id, usage_date, metric, value, correction_batch FROM raw_usage_events_v1 FINAL
          WHERE ${scope} AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM usage_corrections_v1 WHERE ${scope})
        ) AS sent
        LEFT JOIN (${latestCorrections(scope)}) AS latest USING (project_id, event_id, usage_date)
        GROUP BY project_id, usage_date, metric`
}

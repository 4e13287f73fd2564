/**
 * The logs of the source in force, for a WITH: `logs` has `http`, or those of its topic's newest incarnation. It has none while the source
 * is being switched.
 */
export const LOGS_IN_FORCE = `
      (SELECT if(argMax(in_force, (epoch, owner, in_force)) = 1, argMax(source, (epoch, owner, in_force)), '') FROM sources_v1) AS source_in_force,
      logs AS (
        SELECT concat(topic, '/', toString(newest.1), '/', toString(partition)) AS log
        FROM (SELECT topic, max((incarnation, id, partitions)) AS newest FROM topic_incarnations_v1 WHERE topic = source_in_force GROUP BY topic)
        ARRAY JOIN range(newest.3) AS partition
        UNION ALL
        SELECT 'http' WHERE source_in_force = 'http'
      )`

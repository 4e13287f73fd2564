/** The months whose rebuild has begun and not ended, as a subquery: meanwhile nothing that was computed from their rollup may be used. */
export const MONTHS_IN_REBUILD = 'SELECT month FROM rollup_rebuilds_v1 GROUP BY month HAVING max(begun) > max(ended)'

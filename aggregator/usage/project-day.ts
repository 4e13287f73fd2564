/**
 * What a project has of a day in one metric, from its rows of the rollup, as SQL: the greatest sample of a peak, else the sum.
 * `peaks` are the metrics of that kind. In one place, because partnership days, what is kept of them and exports must agree.
 */
export const PROJECT_DAY_VALUE = 'if(metric IN {peaks: Array(String)}, toDecimal256(max(peak), 9), sum(total))'

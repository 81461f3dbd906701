// @ts-check
/** What the conversation costs, in a few words. Sans-I/O. */

/**
 * @typedef {object} Usage the gateway's `usage` message
 * @property {{tokens?: Record<string, number>, cost_usd?: number|null, unpriced?: number}} [room]
 * @property {{cost_usd?: number, budget_usd?: number}} [day]
 *
 * @typedef {object} Cost
 * @property {string} text
 * @property {string} title
 * @property {""|"warning"|"error"} tone
 */

const WARN_SHARE = 0.8;
/** Kinds of tokens that are counted; they include the cached ones. */
const COUNTED = /^(text|audio|image)_(in|out)$/;

/** @param {number} usd */
export function dollars(usd) {
  return usd > 0 && usd < 0.01 ? "under 1 ¢" : `$${usd.toFixed(2)}`;
}

/** @param {number} count */
export function shortCount(count) {
  if (count < 1000) return String(count);
  const thousands = count < 999500;
  const value = count / (thousands ? 1e3 : 1e6);
  return `${value.toFixed(value < 9.95 ? 1 : 0)}${thousands ? "k" : "M"}`;
}

/** Share of today's budget that is spent; null without a budget. @param {Usage|null} usage */
export function budgetShare(usage) {
  const { cost_usd: spent = 0, budget_usd: budget = 0 } = usage?.day ?? {};
  return budget > 0 ? spent / budget : null;
}

/**
 * @param {Usage|null} usage
 * @param {boolean} simulated nothing is billed
 * @returns {Cost|null} null: not known
 */
export function costOf(usage, simulated) {
  if (!usage?.room) return null;
  const counts = Object.entries(usage.room.tokens ?? {}).filter(([name]) => COUNTED.test(name));
  const tokens = counts.reduce((sum, [, count]) => sum + count, 0);
  const usd = usage.room.cost_usd ?? 0;
  const share = budgetShare(usage);
  const percent = share === null ? "" : `${Math.floor(100 * share)} %`;
  const tone = share === null || share < WARN_SHARE ? "" : share < 1 ? "warning" : "error";
  const paid = simulated ? "free" : dollars(usd);
  const text = tone === "" ? `${shortCount(tokens)} tokens · ${paid}` : `${paid} · ${percent} of today's budget`;
  const today = usage.day?.cost_usd ?? 0;
  const title = [
    `This conversation: ${tokens.toLocaleString("en")} tokens, ${dollars(usd)}.`,
    share === null ? `All rooms today: ${dollars(today)}.`
      : `All rooms today: ${dollars(today)} of ${dollars(usage.day?.budget_usd ?? 0)} (${percent}).`,
    ...(usage.room.unpriced ? [`Not included: ${usage.room.unpriced} replies of a model without a price.`] : []),
    ...(simulated ? ["The simulator is free: these are the prices that would have been paid."] : []),
  ].join("\n");
  return { text, title, tone };
}

/** A policy as the covenant's object, and which turning points are worth telling. */

import { usdText } from "./format.js";

const MOST_FLIPS = 8;

/** The covenant's JSON for a policy in micro-dollars and microseconds; it reads back as that policy. */
export function covenantOf(policy) {
  const fields = {};
  if (policy.budget_usd_micros !== null) fields.budget_usd = Number(usdText(policy.budget_usd_micros));
  if (policy.budget_usd_micros !== null && policy.budget_scope) fields.budget_scope = policy.budget_scope;
  if (policy.deadline_us !== null) fields.deadline_s = Number(usdText(policy.deadline_us));
  for (const name of ["priority", "quality"]) if (policy[name]) fields[name] = policy[name];
  for (const name of ["residency", "residency_exclude", "requirements"]) if (policy[name]?.length) fields[name] = policy[name];
  return JSON.stringify(fields);
}

/** The flips next to where the sliders stand, at most `MOST_FLIPS`, in the order of their dimensions. */
export function nearest(flips, valueOf) {
  const distance = ({ dimension, at }) => {
    const value = valueOf(dimension);
    return at === null || value === null ? (at === value ? 0 : 30) : Math.abs(Math.log((at + 1) / (value + 1)));
  };
  const kept = new Set([...flips].sort((one, other) => distance(one) - distance(other)).slice(0, MOST_FLIPS));
  return flips.filter((one) => kept.has(one));
}

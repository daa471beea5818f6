/** A decision worked out again in this page: in a sentence, and with the terms where they are the gateway's. */

import { agrees, rank, rowsOf, weightsOf } from "./decide.js";

/**
 * @param {{trail: object, isOtherCatalogue?: boolean}} turn
 * @param {object | null} catalogue the one in force, as this page learned it.
 * @returns {{note?: string, ranked?: object[]}}
 */
export function recheck({ trail, isOtherCatalogue }, catalogue) {
  if (!trail.decision || !trail.classification || !trail.policy || !catalogue) return {};
  if (isOtherCatalogue) return { note: "Decided under another catalogue than the one in force, so its totals can't be worked out again here." };
  const rows = rowsOf(trail.candidates, trail.policy, trail.classification.complexity, catalogue);
  const ranked = rank(rows, weightsOf(catalogue, trail.policy.priority));
  if (!agrees(ranked, trail.candidates, trail.decision.ranking)) {
    return { note: "Worked out again in this page, the totals differ: the catalogue in force is another." };
  }
  const count = rows.length === 1 ? "the same total" : `the same ${rows.length} totals, the same order`;
  return { note: `Worked out again in this page: ${count}.`, ranked };
}

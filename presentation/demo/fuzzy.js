/** Fuzzy search: the letters of a query in order, better where they begin words or stand together. */

const NO_MATCH = -1;

/** How well a query fits a text; -1 = not at all, 0 = the query is empty. */
export function fit(query, text) {
  const wanted = [...query.toLowerCase()].filter((one) => one.trim());
  if (!wanted.length) return 0;
  const letters = [...text.toLowerCase()];
  let best = NO_MATCH;
  letters.forEach((letter, start) => {
    if (letter === wanted[0]) best = Math.max(best, fitFrom(wanted, letters, start));
  });
  return best;
}

function fitFrom(wanted, letters, start) {
  let score = 0;
  let last = start - 1;
  for (const one of wanted) {
    const at = letters.indexOf(one, Math.max(start, last + 1));
    if (at < 0) return NO_MATCH;
    const opens = at === 0 || !/[\p{L}\p{N}]/u.test(letters[at - 1]);
    const gap = at - last - 1;
    score += 1 + (opens ? 6 : 0) + (gap === 0 ? 4 : -Math.min(gap, 6) / 4);
    last = at;
  }
  // Of two texts that fit alike, the one that says no more than was asked.
  return Math.max(0.01, score - letters.length / 200);
}

/**
 * Items that fit, best first; in their own order for an empty query.
 *
 * @param {Array<{title: string, keywords?: string}>} items
 */
export function search(items, query) {
  if (!query.trim()) return [...items];
  return items
    .map((item, at) => {
      const byTitle = fit(query, item.title);
      const byKeyword = item.keywords ? fit(query, item.keywords) / 2 : NO_MATCH;
      return { item, at, score: Math.max(byTitle, byKeyword) };
    })
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score || one.at - other.at)
    .map(({ item }) => item);
}

/** Limits that stand in a message. A message is never read as a covenant, so they count only once they are moved there. */

const LONGEST = 20_000;
const LIMIT = /^\s*(?:budget|(?:max(?:imum)? )?cost|time(?: limit)?|timeout|deadline|(?:max(?:imum)? )?latency|quality|priority|security|residency)[ \t]*[:=]\s*\S/i;

/**
 * The limits of a message, and the message without them; null where it names none. A limit is a sentence, a line or
 * a part between commas that begins with a limit's name and a colon.
 *
 * @returns {{limits: string, rest: string} | null}
 */
export function limitsIn(text) {
  if (text.length > LONGEST) return null;
  const limits = [];
  let rest = "";
  // Parts and what stands between them, in turn; the points and commas of amounts have no blank behind them.
  const parts = text.split(/([.;,](?=\s|$)|\n)/);
  for (let at = 0; at < parts.length; at += 2) {
    if (LIMIT.test(parts[at])) limits.push(parts[at].trim());
    else rest += parts[at] + (parts[at + 1] ?? "");
  }
  return limits.length ? { limits: limits.join(", "), rest: rest.trim().replace(/[;,]$/, "") } : null;
}

/** Figures and times as a person reads them. */

const GROUPS = /\B(?=(\d{3})+(?!\d))/g;
const NONE = "–";

/** A whole number in groups: 1,234,567; none = a dash. */
export function whole(number) {
  return number === null || number === undefined ? NONE : String(number).replace(GROUPS, ",");
}

/** Milliseconds as a number and its unit: ["0.42", "ms"], ["1.8", "s"], ["2.5", "min"]. */
export function spanParts(ms) {
  if (ms === null || ms === undefined) return [NONE, ""];
  if (ms < 10) return [ms.toFixed(2), "ms"];
  if (ms < 100) return [ms.toFixed(1), "ms"];
  if (ms < 1_000) return [ms.toFixed(0), "ms"];
  if (ms < 60_000) return [(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1), "s"];
  if (ms < 3_600_000) return [(ms / 60_000).toFixed(1), "min"];
  return [(ms / 3_600_000).toFixed(1), "h"];
}

export function span(ms) {
  return spanParts(ms).join(" ").trim();
}

/** The time of day here, HH:MM:SS. */
export function clock(rfc3339) {
  const at = new Date(rfc3339);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** How long ago, by the server's clock: "just now", "12 s ago", "3 min ago". */
export function ago(rfc3339, nowRfc3339) {
  const seconds = Math.max(0, Math.round((Date.parse(nowRfc3339) - Date.parse(rfc3339)) / 1_000));
  return seconds < 2 ? "just now" : `${length(seconds)} ago`;
}

/** How long until then: "now", "in 12 s". */
export function until(rfc3339, nowRfc3339) {
  const seconds = Math.round((Date.parse(rfc3339) - Date.parse(nowRfc3339)) / 1_000);
  return seconds < 1 ? "now" : `in ${length(seconds)}`;
}

function length(seconds) {
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Dollars, with the digits that are there. */
export function usd(text) {
  return text === null || text === undefined ? NONE : `$${text}`;
}

/** A count with its noun: "1 event", "2 events". */
export function counted(count, noun) {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
}

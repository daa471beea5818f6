/** Figures as a person reads them. Money comes in whole micro-dollars, times in whole microseconds. */

const GROUPS = /\B(?=(\d{3})+(?!\d))/g;

/** A whole number with thin groups: 1,234,567. */
export function whole(number) {
  return String(number).replace(GROUPS, ",");
}

/** Exact dollars of micro-dollars, without trailing zeros: "2", "0.000006". */
export function usdText(micros) {
  const sign = micros < 0 ? "-" : "";
  const digits = String(Math.abs(micros)).padStart(7, "0");
  const fraction = digits.slice(-6).replace(/0+$/, "");
  return sign + digits.slice(0, -6) + (fraction && `.${fraction}`);
}

/** Dollars for the eye: cents are written with two digits, smaller amounts exactly. */
export function usd(micros) {
  if (micros === null || micros === undefined) return "–";
  const text = usdText(Math.abs(micros));
  const [dollars, fraction = ""] = text.split(".");
  const shown = fraction.length === 1 ? `${dollars}.${fraction}0` : text;
  return `${micros < 0 ? "−" : ""}$${shown.replace(/^\d+/, whole)}`;
}

/** A length of time: "152 ms", "1.81 s", "2 min 5 s". */
export function duration(us) {
  if (us === null || us === undefined) return "–";
  const sign = us < 0 ? "−" : "";
  const size = Math.abs(us);
  if (size === 0) return "0 ms";
  if (size < 1_000) return `${sign}${Math.round(size)} µs`;
  if (size < 9_950) return `${sign}${(size / 1_000).toFixed(1)} ms`;
  if (size < 999_500) return `${sign}${Math.round(size / 1_000)} ms`;
  if (size < 60_000_000 && size % 1_000_000 === 0) return `${sign}${size / 1_000_000} s`;
  if (size < 99_995_000) return `${sign}${(size / 1_000_000).toFixed(size < 9_995_000 ? 2 : 1)} s`;
  const seconds = Math.round(size / 1_000_000);
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const first = units.findIndex(([length]) => seconds >= length);
  const parts = units.slice(first, first + 2).map(([length, name], at) => {
    const count = at === 0 ? Math.floor(seconds / length) : Math.floor((seconds % units[first][0]) / length);
    return count ? `${count} ${name}` : "";
  });
  return sign + parts.filter(Boolean).join(" ");
}

/** Parts per million as a percentage with one decimal. */
export function percent(ppm) {
  return ppm === null || ppm === undefined ? "–" : `${(ppm / 10_000).toFixed(1)} %`;
}

/** A difference with its sign: "+0.30 s", "−12 ms", "±0". */
export function signed(value, text) {
  if (value === 0) return "±0";
  return value > 0 ? `+${text(value)}` : text(value);
}

/** provider/model@pool in its parts. */
export function routeParts(route) {
  const slash = route.indexOf("/");
  const at = route.lastIndexOf("@");
  if (slash < 0 || at < slash) return { provider: "", model: route, pool: "" };
  return { provider: route.slice(0, slash), model: route.slice(slash + 1, at), pool: route.slice(at + 1) };
}

/** The words of a machine's name: "max_security" to "max security". */
export function words(name) {
  return String(name).replaceAll("_", " ");
}

/** The first characters of a digest or an id. */
export function short(text, length = 12) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** JSON in ASCII alone, so that any text can stand in a header. */
export function asciiJson(value) {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

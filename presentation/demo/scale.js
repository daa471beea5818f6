/** Sliders over many powers of ten: a place from 0 to STEPS_OF_SCALE stands for a whole number. */

/** The place after the last: no limit at all. */
export const NONE = null;
export const STEPS_OF_SCALE = 400;

/** `least` and `most` of a scale; `open`: its last place is no limit; `zero`: its first place is nought. */
export const SCALES = {
  budget: { least: 1, most: 10_000_000, open: true, zero: false },
  deadline: { least: 10_000, most: 120_000_000, open: true, zero: false },
  cost: { least: 1, most: 10_000_000, open: false, zero: true },
  risk: { least: 1, most: 10_000, open: false, zero: true },
  improbability: { least: 1, most: 100_000, open: false, zero: true },
};

/** The value at a place of a scale. */
export function valueAt(name, place) {
  const { least, most, open, zero } = SCALES[name];
  if (open && place >= STEPS_OF_SCALE) return NONE;
  if (zero && place <= 0) return 0;
  const first = zero ? 1 : 0;
  const last = open ? STEPS_OF_SCALE - 1 : STEPS_OF_SCALE;
  const share = (place - first) / (last - first);
  const exact = least * (most / least) ** share;
  return Math.min(most, Math.max(least, rounded(exact)));
}

/** The place nearest to a value: beyond the ends of a scale, its end. */
export function placeOf(name, value) {
  const { least, most, open, zero } = SCALES[name];
  if (value === NONE) return STEPS_OF_SCALE;
  if (zero && value <= 0) return 0;
  const first = zero ? 1 : 0;
  const last = open ? STEPS_OF_SCALE - 1 : STEPS_OF_SCALE;
  const share = Math.log(Math.min(Math.max(value, least), most) / least) / Math.log(most / least);
  return Math.round(first + share * (last - first));
}

/** Two digits that matter: nobody sets a budget of 0.013847 dollars with a slider. */
function rounded(value) {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / unit) * unit;
}

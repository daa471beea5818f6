/**
 * The total of a route and the order of routes, worked out in the page: the formula of docs/routing.md in whole numbers.
 *
 *     total = min(TTV, H) + cost weight x cost + tier penalty + risk weight x risk + improbability weight x -ln p
 *
 * Which routes are admissible is the gateway's to say: the gates are not worked out here, so a candidate with denials
 * stays denied. What this file finds for the weights in force must be what the gateway found; whoever uses it asks
 * `agrees` first.
 */

const MILLION = 1_000_000n;
const BITS = 96n;

/** 2 * artanh of a fraction below a half, in units of 2^-BITS. */
function twiceArtanh(numerator, denominator) {
  const s = (numerator << BITS) / denominator;
  const square = (s * s) >> BITS;
  let sum = 0n;
  for (let power = s, odd = 1n; power; power = (power * square) >> BITS, odd += 2n) sum += power / odd;
  return 2n * sum;
}

const LN_2 = twiceArtanh(1n, 3n);

/** -ln(ppm / 10^6) in micro-nats, to the nearest. */
export function negLnMicronats(ppm) {
  let [high, low, twos] = [MILLION, BigInt(ppm), 0n];
  while (high >= 2n * low) {
    low *= 2n;
    twos += 1n;
  }
  const ln = twos * LN_2 + twiceArtanh(high - low, high + low);
  return (ln * MILLION + (1n << (BITS - 1n))) >> BITS;
}

/** The weights of a priority, from the catalogue. */
export function weightsOf(catalogue, priority) {
  const row = catalogue.weights[priority ?? "balanced"];
  return {
    cost: row.cost_us_per_usd_micro,
    risk: row.risk_us_per_ppm,
    improbability: row.improbability_us_per_micronat,
  };
}

/** What of the admissible candidates enters a total. */
export function rowsOf(candidates, policy, complexity, catalogue) {
  const horizonUs = policy.deadline_us ?? catalogue.horizon_us;
  const tier = ["simple", "moderate", "complex"].indexOf(complexity);
  const factors = new Map(catalogue.providers.map((one) => [one.id, one.tier_factor_ppm[tier]]));
  return candidates
    .filter((one) => !one.denials.length)
    .map((one) => ({
      route: one.route,
      ttv: one.ttv_us,
      riskPpm: one.risk_ppm,
      costMicros: one.cost_usd_micros,
      time: BigInt(Math.min(one.ttv_us, horizonUs)),
      cost: BigInt(one.cost_usd_micros),
      risk: BigInt(one.risk_ppm),
      nats: negLnMicronats(one.success_ppm),
      tier: BigInt(factors.get(one.route.slice(0, one.route.indexOf("/"))) ?? 1_000_000),
    }));
}

/** The summands of a row's total, in microseconds. */
export function termsOf(row, weights) {
  const cost = BigInt(weights.cost) * row.cost;
  return {
    time: row.time,
    cost,
    risk: BigInt(weights.risk) * row.risk,
    improbability: BigInt(weights.improbability) * row.nats,
    tier: ((row.time + cost) * (row.tier - MILLION)) / MILLION,
  };
}

/** The rows with their totals, best first; ties go by time, risk, cost, then the route's name. */
export function rank(rows, weights) {
  const found = rows.map((row) => {
    const terms = termsOf(row, weights);
    return { ...row, terms, total: Object.values(terms).reduce((sum, one) => sum + one) };
  });
  const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
  return found.sort(
    (one, other) =>
      compare(one.total, other.total) ||
      compare(one.ttv, other.ttv) ||
      compare(one.riskPpm, other.riskPpm) ||
      compare(one.costMicros, other.costMicros) ||
      compare(one.route, other.route),
  );
}

/** Whether totals and order are those that the gateway gave with the candidates. */
export function agrees(ranked, candidates, ranking) {
  const totals = new Map(candidates.map((one) => [one.route, one.total_us]));
  return (
    ranked.length === ranking.length &&
    ranked.every((row, at) => row.route === ranking[at] && row.total === BigInt(totals.get(row.route) ?? -1))
  );
}

/**
 * The values of a weight from 0 to `most` at which the choice turns: `{at, selected, insteadOf}`, exactly.
 *
 * Totals are straight lines in a weight but for the rounding of the penalty, so the choice can turn only near where two
 * of them cross; between two such places it is looked for by halving.
 */
export function flipsOf(rows, weights, name, most) {
  if (rows.length < 2) return [];
  const choice = (value) => rank(rows, { ...weights, [name]: value })[0].route;
  const places = new Set([0, most]);
  const [at0, at1] = [0, most].map((value) => new Map(rank(rows, { ...weights, [name]: value }).map((row) => [row.route, row.total])));
  for (const one of rows) {
    for (const other of rows) {
      const [low, high] = [at0.get(one.route) - at0.get(other.route), at1.get(one.route) - at1.get(other.route)];
      if (low >= 0n || high <= 0n) continue;
      const cross = Number((BigInt(most) * -low) / (high - low));
      for (const near of [cross - 1, cross, cross + 1, cross + 2]) if (near > 0 && near < most) places.add(near);
    }
  }
  const order = [...places].sort((one, other) => one - other);
  const flips = [];
  let before = choice(order[0]);
  for (let place = 1; place < order.length; place += 1) {
    const after = choice(order[place]);
    if (after === before) continue;
    let [low, high] = [order[place - 1], order[place]];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (choice(middle) === before) low = middle;
      else high = middle;
    }
    const selected = choice(high);
    flips.push({ at: high, selected, insteadOf: before });
    before = after;
  }
  return flips;
}

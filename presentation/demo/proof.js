/**
 * A ledger entry checked in the page: its text is hashed here, the proof is walked here, the signature is checked here.
 *
 * The gateway is asked for the entry, the proof and the signed root, and believed in nothing that can be worked out.
 */

/**
 * @param {object} api
 * @param {object} kernel of kernel.js: its SHA3-256.
 * @param {number} entry the entry's number.
 * @param {{decisionId: string, digest?: string}} expected what the entry must speak of.
 * @returns {Promise<{ok: boolean, checks: Array<{ok: boolean, text: string}>, root: string, size: number}>}
 */
export async function verifyEntry(api, kernel, entry, expected) {
  const ledger = await import("../ledger.js");
  const checkpoint = await api.json("api/ledger/checkpoint");
  const [proof, page] = await Promise.all([
    api.json(`api/ledger/proof?entry=${entry}&size=${checkpoint.size}`),
    api.json(`api/ledger/entries?limit=1${entry > 0 ? `&after=${entry - 1}` : ""}`),
  ]);
  return checkEntry(ledger, kernel, { checkpoint, proof, stored: page.data[0], entry, expected });
}

/** The checks, over what the gateway gave. Every one is made, so that the page can show them all. */
export async function checkEntry(ledger, kernel, { checkpoint, proof, stored, entry, expected }) {
  const checks = [];
  const check = async (text, made) => {
    let ok = false;
    try {
      ok = (await made()) !== false;
    } catch {
      ok = false;
    }
    checks.push({ ok, text });
  };
  const signed = checkpointOf(ledger, checkpoint.text);
  const leaf = hex(ledger.leafHash(kernel, stored.entry));
  await check(`entry ${entry} speaks of this decision`, () => speaksOf(stored.entry, entry, expected));
  if (stored.evidence) {
    await check("its evidence has the digest that the entry names", () => {
      return JSON.parse(stored.entry).evidence === hex(kernel.sha3_256(new TextEncoder().encode(stored.evidence)));
    });
  }
  await check(`${proof.path.length} hashes lead from it to the root of ${signed?.size ?? 0} entries`, () => {
    ledger.verifyInclusion(kernel, { leaf_hash: leaf, entry, size: signed.size, path: proof.path, root: signed.root });
  });
  if (checkpoint.public_key) {
    await check(`key ${checkpoint.key_id} has signed that root`, () => ledger.isSignedBy(kernel, signed, checkpoint.public_key));
  }
  const ok = checks.every((one) => one.ok);
  return { ok, checks, leaf, root: signed?.root ?? "", size: signed?.size ?? 0, isSigned: Boolean(checkpoint.public_key) };
}

function checkpointOf(ledger, text) {
  try {
    return ledger.checkpointFromText(text);
  } catch {
    return null;
  }
}

function speaksOf(text, entry, { decisionId, digest }) {
  const { seq, payload } = JSON.parse(text);
  return seq === entry && payload.decision_id === decisionId && (!digest || !payload.decision || payload.decision === digest);
}

function hex(bytes) {
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

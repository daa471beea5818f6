/**
 * A ledger verified where its reader is: in a browser or in Node, by the kernel's SHA3-256 and WebCrypto's Ed25519.
 *
 *     import { loadKernel } from "./kernel.js";
 *     import { verifyExport } from "./ledger.js";
 *     const kernel = await loadKernel(fetch("kernel.wasm"));
 *     const file = new Uint8Array(await (await fetch("log.jsonl")).arrayBuffer());
 *     const report = await verifyExport(file, { kernel, checkpoints: [text], publicKey: hex });
 *     report.ok; report.size; report.root; report.fault;    // null, or { reason, message, seq }
 *
 * It says what `harpoon ledger verify FILE` says (worker/ledger/export.py and audit.py), and takes the same to be faults;
 * docs/ledger.md has the formats, and what no verifier can see. No build step and no dependencies.
 */

const EXPORT_FORMAT = "harpoon-ledger-export/v1";
const MAX_DEPTH = 64;
const SEALED = "salted:";
const IS_CHECKPOINT =
  /^harpoon-ledger\/v1 ([!-~]{1,63})\n(0|[1-9][0-9]{0,15})\n([0-9a-f]{64})\n(0|[1-9][0-9]{0,15})\n\n(?:- harpoon ([0-9a-f]{16}) ([0-9a-f]{128})\n)?$/;
const VERSION_1_DIGESTS = { ACTION: "decision", DENY: "decision", SESSION_COMPLETION: "event" };

/** Something that does not verify. `reason`: an upper-case word of docs/ledger.md; `seq`: the entry, or null. */
export class LedgerFault extends Error {
  constructor(reason, message, seq = null) {
    super(message);
    this.reason = reason;
    this.seq = seq;
  }
}

/** RFC 6962 leaf hash of an entry's stored text. */
export function leafHash(kernel, entry) {
  return kernel.sha3_256(joined(Uint8Array.of(0), utf8(entry)));
}

function nodeHash(kernel, left, right) {
  return kernel.sha3_256(joined(Uint8Array.of(1), left, right));
}

/**
 * Check an inclusion proof (RFC 9162 section 2.1.3.2). Hashes are hex, as GET /api/ledger/proof gives them.
 *
 * @throws {LedgerFault}
 */
export function verifyInclusion(kernel, { leaf_hash, entry, size, path, root }) {
  const inner = bitLength(entry, size - 1);
  if (!(entry >= 0 && entry < size) || path.length !== inner + bitCount(Math.floor(entry / 2 ** inner))) {
    throw new LedgerFault("PROOF_MISMATCH", "the proof has a length that no proof of this entry has");
  }
  let [at, last, found] = [entry, size - 1, fromHex(leaf_hash, 32)];
  for (const step of path) {
    const sibling = fromHex(step, 32);
    if (at % 2 || at === last) {
      found = nodeHash(kernel, sibling, found);
      while (!(at % 2) && at) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      found = nodeHash(kernel, found, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last || toHex(found) !== root) throw new LedgerFault("PROOF_MISMATCH", "the proof leads to another root");
}

/**
 * Check a consistency proof (RFC 9162 section 2.1.4.2). Hashes are hex, as GET /api/ledger/proof gives them.
 *
 * @throws {LedgerFault}
 */
export function verifyConsistency(kernel, { first, second, path, first_root, second_root }) {
  if (!(first > 0 && first <= second)) throw new LedgerFault("PROOF_MISMATCH", "there is no such proof");
  const steps = [...path];
  if (first === second) {
    if (steps.length || first_root !== second_root) {
      throw new LedgerFault("PROOF_MISMATCH", "two roots of the same size differ");
    }
    return;
  }
  if (bitCount(first) === 1) steps.unshift(first_root);
  if (!steps.length) throw new LedgerFault("PROOF_MISMATCH", "the proof is too short");
  let [at, last] = [first - 1, second - 1];
  while (at % 2) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  let old = fromHex(steps[0], 32);
  let fresh = old;
  for (const step of steps.slice(1)) {
    if (!last) throw new LedgerFault("PROOF_MISMATCH", "the proof is too long");
    const hash = fromHex(step, 32);
    if (at % 2 || at === last) {
      [old, fresh] = [nodeHash(kernel, hash, old), nodeHash(kernel, hash, fresh)];
      while (!(at % 2) && at) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      fresh = nodeHash(kernel, fresh, hash);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last || toHex(old) !== first_root || toHex(fresh) !== second_root) {
    throw new LedgerFault("PROOF_MISMATCH", "the proof leads to other roots");
  }
}

/**
 * Read a checkpoint's text.
 *
 * @returns {{tenant: string, size: number, root: string, at_us: number, keyId: string, signature: string, text: string}}
 * @throws {LedgerFault} for any other text.
 */
export function checkpointFromText(text) {
  const found = IS_CHECKPOINT.exec(text);
  if (!found || !Number.isSafeInteger(+found[2]) || !Number.isSafeInteger(+found[4])) {
    throw new LedgerFault("BAD_CHECKPOINT", "this is not the text of a checkpoint");
  }
  const [, tenant, size, root, at_us, keyId = "", signature = ""] = found;
  return { tenant, size: +size, root, at_us: +at_us, keyId, signature, text };
}

/** Whether a key (hex) has signed a checkpoint. */
export async function isSignedBy(kernel, checkpoint, publicKey) {
  const key = fromHex(publicKey, 32);
  if (checkpoint.keyId !== toHex(kernel.sha3_256(key)).slice(0, 16)) return false;
  const signed = utf8(checkpoint.text.slice(0, checkpoint.text.indexOf("\n\n") + 1));
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, fromHex(checkpoint.signature, 64), signed);
  } catch {
    return false;
  }
}

/**
 * Verify an export. Without a checkpoint that was kept elsewhere, a log that was cut short or written anew looks honest.
 *
 * @param {Uint8Array} bytes the file.
 * @param {{kernel: object, checkpoints?: string[], publicKey?: string}} given `publicKey`: the key that must have signed
 *   every checkpoint; else the one that the export names.
 * @returns {Promise<object>} the report; whatever is wrong with the file, it is no exception.
 */
export async function verifyExport(bytes, { kernel, checkpoints = [], publicKey = "" }) {
  let audit = new Audit(kernel, null);
  try {
    const held = checkpoints.map(checkpointFromText);
    const lines = linesOf(bytes);
    const header = parsed(lines.next().value ?? new Uint8Array(), null);
    if (header.format !== EXPORT_FORMAT || !fits(header, { format: "string", public_key: "string", tenant: "string" })) {
      throw new LedgerFault("BAD_LINE", `the first line is not that of a ${EXPORT_FORMAT}`);
    }
    if (header.tenant === undefined) throw new LedgerFault("BAD_LINE", "the first line names no tenant");
    const named = header.public_key === undefined ? publicKey : (fromHex(header.public_key, 32), header.public_key);
    if (publicKey && named !== publicKey) {
      throw new LedgerFault("SIGNATURE_INVALID", "the export names another key than the one that must have signed");
    }
    const check = async (checkpoint) => {
      if (named && !(await isSignedBy(kernel, checkpoint, named))) {
        throw new LedgerFault("SIGNATURE_INVALID", `a checkpoint of ${checkpoint.size} entries is not signed by the key`);
      }
    };
    const keyId = named && toHex(kernel.sha3_256(fromHex(named, 32))).slice(0, 16);
    // Whoever kept it vouches for it; another key than the export names may have signed it, before keys changed.
    for (const checkpoint of held) if (publicKey || checkpoint.keyId === keyId) await check(checkpoint);
    audit = new Audit(kernel, header.tenant);
    audit.expect(held);
    for (const line of lines) {
      const found = parsed(line, audit.size);
      if (typeof found.checkpoint === "string" && Object.keys(found).length === 1) {
        const checkpoint = checkpointFromText(found.checkpoint);
        await check(checkpoint);
        audit.meet(checkpoint);
      } else if (found.entry !== undefined && fits(found, { entry: "string", evidence: "string", opening: "object" })) {
        audit.take(found.entry, found.evidence, openingOf(found.opening, audit.size));
      } else {
        throw new LedgerFault("BAD_LINE", "a line is neither an entry nor a checkpoint", audit.size);
      }
    }
    audit.finish();
    return audit.report(null);
  } catch (fault) {
    if (!(fault instanceof LedgerFault)) throw fault;
    return audit.report(fault);
  }
}

/** A verification under way: takes the entries of one log in order; as worker/ledger/audit.py does. */
class Audit {
  #kernel;
  #tenant;
  #peaks = [];
  #due = [];
  #missing = [];
  #counts = { evidence: 0, dropped: 0, opened: 0, erased: 0, checkpoints: 0 };
  size = 0;

  constructor(kernel, tenant) {
    this.#kernel = kernel;
    this.#tenant = tenant;
  }

  expect(checkpoints) {
    const known = new Map(checkpoints.map((one) => [one.text, one]));
    this.#due = [...known.values()].sort((one, other) => one.size - other.size);
    this.#meetDue();
  }

  meet(checkpoint) {
    if (checkpoint.size !== this.size || checkpoint.root !== this.#root() || checkpoint.tenant !== this.#tenant) {
      const message = `a checkpoint of ${checkpoint.size} entries is of another log`;
      throw new LedgerFault("CHECKPOINT_MISMATCH", message, this.size ? this.size - 1 : null);
    }
    this.#counts.checkpoints += 1;
  }

  take(text, evidence, opening) {
    const seq = this.size;
    try {
      const entry = this.#checked(text);
      this.#checkEvidence(entry, evidence);
      this.#checkPersonal(entry, evidence, opening);
      if (entry.kind === "ERASURE") this.#noteErasure(entry.payload);
    } catch (fault) {
      if (fault instanceof LedgerFault) fault.seq = seq;
      throw fault;
    }
    this.#append(leafHash(this.#kernel, text));
    this.#meetDue();
  }

  finish() {
    if (this.#missing.length) {
      throw new LedgerFault("EVIDENCE_MISSING", "evidence is missing, and no entry says why", this.#missing[0].seq);
    }
    if (this.#due.length) {
      const message = `a checkpoint has seen ${this.#due[0].size} entries, here are ${this.size}`;
      throw new LedgerFault("TRUNCATED", message, this.size);
    }
  }

  report(fault) {
    const said = fault && { reason: fault.reason, message: fault.message, seq: fault.seq };
    return { ok: !fault, size: this.size, root: this.#root(), ...this.#counts, fault: said };
  }

  #checked(text) {
    const entry = entryFromText(text);
    if (entry.seq !== this.size) {
      throw new LedgerFault("SEQ_MISMATCH", `an entry says it is number ${entry.seq}, and stands as number ${this.size}`);
    }
    if (entry.tenant !== this.#tenant) throw new LedgerFault("TENANT_MISMATCH", "an entry is of another tenant's log");
    return entry;
  }

  #checkEvidence(entry, evidence) {
    if (evidence === undefined) {
      if (entry.mustHaveEvidence) {
        this.#counts.dropped += 1;
        this.#missing.push(entry);
      }
    } else if (!entry.evidence || toHex(this.#kernel.sha3_256(utf8(evidence))) !== entry.evidence) {
      throw new LedgerFault("EVIDENCE_MISMATCH", "the evidence is not the one that the entry names");
    } else {
      this.#counts.evidence += 1;
    }
  }

  #checkPersonal(entry, evidence, opening) {
    if (entry.kind !== "SESSION_COMPLETION" || evidence === undefined || !evidence.includes(SEALED)) {
      if (opening) {
        throw new LedgerFault("COMMITMENT_MISMATCH", "an entry without commitments comes with what would open them");
      }
    } else if (opening) {
      const [user, session] = commitmentsIn(evidence);
      const fits = (field, said) => said === (opening[field] && this.#commitment(opening, field));
      if (!fits("user_id", user) || !fits("session_id", session)) {
        throw new LedgerFault("COMMITMENT_MISMATCH", "a personal field is not the one that was committed to");
      }
      this.#counts.opened += 1;
    }
  }

  #commitment(opening, field) {
    const salted = joined(Uint8Array.of(2), fromHex(opening.salt), utf8(field), Uint8Array.of(0), utf8(opening[field]));
    return SEALED + toHex(this.#kernel.sha3_256(salted));
  }

  #noteErasure({ act, entries, before }) {
    if (act === "erase" && Number.isInteger(entries)) this.#counts.erased += entries;
    else if (act === "retention" && isObject(before)) {
      const bound = (kind) => (Object.hasOwn(before, kind) && Number.isInteger(before[kind]) ? before[kind] : 0);
      this.#missing = this.#missing.filter(({ seq, kind }) => seq >= bound(kind));
    }
  }

  #append(leaf) {
    let carried = leaf;
    for (let size = this.size; size % 2; size = Math.floor(size / 2)) {
      carried = nodeHash(this.#kernel, this.#peaks.pop(), carried);
    }
    this.#peaks.push(carried);
    this.size += 1;
  }

  #root() {
    if (!this.#peaks.length) return toHex(this.#kernel.sha3_256(new Uint8Array()));
    return toHex(this.#peaks.reduceRight((found, peak) => nodeHash(this.#kernel, peak, found)));
  }

  #meetDue() {
    while (this.#due.length && this.#due[0].size === this.size) this.meet(this.#due.shift());
  }
}

function entryFromText(text) {
  const plain = canonicalValue(text);
  const isKnown = isObject(plain) && (plain.v === 1 || plain.v === 2);
  if (!isKnown) throw new LedgerFault("NOT_CANONICAL", "an entry is of no version that is known here");
  const allowed = ["at_us", "kind", "payload", "seq", "tenant", "v"];
  const names = Object.keys(plain).filter((name) => !(plain.v === 2 && name === "evidence"));
  const { seq, at_us, kind, tenant, payload, evidence = "" } = plain;
  const isWhole = names.length === allowed.length && names.every((name) => allowed.includes(name));
  const typesFit = [seq, at_us].every(Number.isInteger) && [kind, tenant, evidence].every((one) => typeof one === "string");
  if (!isWhole || !typesFit || !isObject(payload)) {
    throw new LedgerFault("NOT_CANONICAL", "an entry has other members than its version says");
  }
  const said = plain.v === 2 ? evidence : String(payload[VERSION_1_DIGESTS[kind]] ?? "");
  return { seq, kind, tenant, payload, evidence: said, mustHaveEvidence: plain.v === 2 && said !== "" };
}

function commitmentsIn(evidence) {
  try {
    const event = JSON.parse(evidence);
    return [event.user.user_id, event.session.session_id].map((one) =>
      typeof one === "string" && one.startsWith(SEALED) ? one : "",
    );
  } catch {
    throw new LedgerFault("COMMITMENT_MISMATCH", "an event has no place for a personal field");
  }
}

function openingOf(plain, seq) {
  if (plain === undefined) return null;
  const names = ["salt", "session_id", "user_id"];
  const isWhole = Object.keys(plain).length === 3 && names.every((name) => typeof plain[name] === "string");
  if (!isWhole || !isObject(plain)) {
    throw new LedgerFault("BAD_LINE", "what opens an entry is not user_id, session_id and salt", seq);
  }
  fromHex(plain.salt, null, seq);
  return plain;
}

function* linesOf(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at);
    const next = end < 0 ? bytes.length : end + 1;
    yield bytes.subarray(at, next);
    at = next;
  }
}

function parsed(line, seq) {
  if (line[line.length - 1] !== 10) {
    throw new LedgerFault("TORN_LINE", "the last line breaks off; what comes before it has been verified", seq);
  }
  let value;
  try {
    value = canonicalValue(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line.subarray(0, -1)));
  } catch {
    throw new LedgerFault("NOT_CANONICAL", "a line is not canonical JSON", seq);
  }
  if (!isObject(value)) throw new LedgerFault("BAD_LINE", "a line is not a JSON object", seq);
  return value;
}

/** The value whose canonical JSON (RFC 8785, integers and strings only) is exactly `text`. */
function canonicalValue(text) {
  try {
    const value = JSON.parse(text);
    if (canonicalText(value, 0) === text) return value;
  } catch {
    // Said below.
  }
  throw new LedgerFault("NOT_CANONICAL", "this is not canonical JSON");
}

function canonicalText(value, depth) {
  if (typeof value === "object" && value !== null && depth >= MAX_DEPTH) throw new RangeError("nested too deep");
  if (Array.isArray(value)) return `[${value.map((one) => canonicalText(one, depth + 1)).join(",")}]`;
  if (isObject(value)) {
    const members = Object.keys(value).sort();
    return `{${members.map((name) => `${canonicalText(name, 0)}:${canonicalText(value[name], depth + 1)}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("no exact integer");
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) throw new RangeError("a lone surrogate");
  return JSON.stringify(value);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fits(found, members) {
  return Object.entries(found).every(
    ([name, value]) => Object.hasOwn(members, name) && (members[name] === "object" ? isObject(value) : typeof value === members[name]),
  );
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text, length = null, seq = null) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text) || (length !== null && text.length !== 2 * length)) {
    throw new LedgerFault("BAD_LINE", "a value is not written in lower-case hexadecimal digits", seq);
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** Bits in the numbers from where they differ on: of `one` XOR `other`, also beyond 32 bits. */
function bitLength(one, other) {
  let length = 0;
  for (let [a, b] = [one, other]; a !== b; [a, b] = [Math.floor(a / 2), Math.floor(b / 2)]) length += 1;
  return length;
}

function bitCount(number) {
  let count = 0;
  for (let rest = number; rest; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

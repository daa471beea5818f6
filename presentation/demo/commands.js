/** The commands of the palette, over the page's parts. Those that can do nothing just now are left out. */

import { byId, el, fill, reveal, toast } from "./dom.js";
import { usd, words } from "./format.js";
import { stateWord, toFragment } from "./history.js";
import { transcriptOf } from "./transcript.js";

export const KEYS = [
  ["Ctrl K or ⌘ K", "Commands"],
  ["Enter", "Send the message"],
  ["Shift Enter", "A new line"],
  ["Esc", "Stop a running answer"],
  ["Alt 1, Alt 2, Alt 3", "Covenant, conversation, execution"],
  ["?", "These keys, outside of a field"],
];

/** @param parts `{api, covenant, session, columns, history, palette, load, forgetHistory, setModel, connection}` */
export function commandsOf(parts) {
  const { covenant, session, columns, palette, connection } = parts;
  const last = session.turns.at(-1);
  const model = byId("model").value;
  const commands = [
    { id: "new-covenant", title: "New covenant", keywords: "limits budget write", run: () => newCovenant(parts) },
    { id: "explain", title: "Explain only", hint: "decides, sends nothing", keywords: "route dry run why plan", run: () => explain(parts) },
    { id: "pin-route", title: "Pin a route…", keywords: "model provider choose fix", staysOpen: true, run: () => pinRoute(parts) },
    model !== "auto" && { id: "unpin-route", title: "Unpin: any route again", hint: model, run: () => parts.setModel("auto") },
    { id: "replay", title: "Replay a decision…", hint: "from the ledger", keywords: "history past record", staysOpen: true, run: () => replay(parts) },
    { id: "export", title: "Export covenant and transcript as JSON", keywords: "download save", run: () => exportJson(parts) },
    { id: "share", title: "Copy a link to this covenant", keywords: "share url", run: () => share(parts) },
    session.isRunning && { id: "cancel", title: "Stop the answer", keywords: "cancel abort", hint: "Esc", run: () => session.stop() },
    last && !session.isRunning && { id: "retry", title: "Ask again", keywords: "retry repeat", run: () => session.retry(last) },
    last && { id: "copy", title: "Copy the last answer", keywords: "clipboard", run: () => copy(last.answer.text) },
    { id: "whatif", title: "What if…", keywords: "sliders weights flip", run: () => whatIf(parts) },
    { id: "verify", title: "Verify the ledger entry here", keywords: "proof inclusion merkle", run: () => verify(parts) },
    { id: "lenient", title: covenant.lenient ? "Strict reading of covenants" : "Lenient reading of covenants", hint: covenant.lenient ? "now: lenient" : "now: strict", run: () => lenient(parts) },
    { id: "history", title: "History…", keywords: "past covenants", staysOpen: true, run: () => fromHistory(parts) },
    { id: "clear", title: "Clear the conversation", keywords: "reset empty", run: () => clear(parts) },
    { id: "forget-history", title: "Forget the history of this browser", keywords: "delete privacy", run: () => parts.forgetHistory() },
    { id: "theme", title: "Switch the theme", keywords: "dark light", run: () => globalThis.harpoonTheme.toggle() },
    { id: "token", title: "Token…", keywords: "key login authorization", run: () => connection.askForToken("") },
    { id: "shortcuts", title: "Keys", keywords: "shortcuts help keyboard", hint: "?", run: () => showKeys() },
    ...["covenant", "conversation", "execution"].map((name, at) => ({ id: `go-${name}`, title: `Go to ${name}`, hint: `Alt ${at + 1}`, run: () => columns.show(name, true) })),
    { id: "open-presentation", title: "Open the presentation", keywords: "slides page", run: () => location.assign("hosted-ai-presentation.html") },
    { id: "open-sessions", title: "Open the sessions", keywords: "dashboard page", run: () => location.assign("dashboard") },
  ];
  return commands.filter(Boolean).map((one) => ({ ...one, palette }));
}

function newCovenant({ covenant, columns }) {
  columns.show("covenant");
  covenant.text = "";
  covenant.focus();
}

async function explain({ session, columns }) {
  await session.explain(byId("prompt").value || session.turns.at(-1)?.prompt || "");
  columns.show("execution", true);
}

async function pinRoute(parts) {
  const { api, palette } = parts;
  const models = await api.json("v1/models").catch((problem) => (toast(problem.message, "bad"), { data: [] }));
  const items = models.data
    .filter((one) => one.id.includes("/") && !one.id.endsWith("/auto"))
    .map((one) => ({ id: one.id, title: one.id, hint: "its pool follows from the priority" }));
  const chosen = await palette.choose(items, "Which route?");
  if (chosen) parts.setModel(chosen.id);
}

async function replay({ api, palette, session, columns }) {
  const page = await api.json("v1/decisions?limit=50").catch((problem) => (toast(problem.message, "bad"), { data: [] }));
  const items = page.data.map((one) => ({
    id: one.id,
    title: `${new Date(one.at_us / 1_000).toLocaleTimeString()} ${one.selected ?? "refused"}`,
    keywords: one.id,
    hint: `${words(one.outcome?.outcome ?? one.state)}, ${usd(one.cost_usd_micros)}`,
  }));
  const chosen = await palette.choose(items, "Which decision?");
  if (!chosen) return;
  columns.show("execution", true);
  await session.replay(chosen.id);
}

async function fromHistory(parts) {
  const { history, palette } = parts;
  const items = history.all().map((one, at) => ({ id: `history-${at}`, title: one.prompt || one.covenant, keywords: one.covenant, hint: stateWord(one), record: one }));
  const chosen = await palette.choose(items, "Which request?");
  if (chosen) parts.load(chosen.record);
}

function exportJson({ session, covenant }) {
  const text = JSON.stringify(transcriptOf({ session, covenant, model: byId("model").value, at: new Date().toISOString() }), null, 2);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  el("a", { href: url, download: "harpoon-session.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  toast("Exported as harpoon-session.json.", "good");
}

async function share({ covenant }) {
  const fragment = toFragment({ covenant: covenant.text, prompt: byId("prompt").value, model: byId("model").value });
  history.replaceState(null, "", fragment);
  await copy(location.href, "Link copied. The covenant is in its fragment, which no server gets.");
}

/** Put a text on the clipboard. */
export async function copy(text, said = "Copied.") {
  try {
    await navigator.clipboard.writeText(text);
    toast(said, "good");
  } catch {
    toast("The browser does not let this page copy.", "warn");
  }
}

async function whatIf(parts) {
  if (byId("whatif").hidden) await parts.session.explain(byId("prompt").value || parts.session.turns.at(-1)?.prompt || "");
  parts.columns.show("execution");
  byId("whatif-budget")?.focus({ preventScroll: true });
  reveal(byId("whatif"));
}

function verify({ columns }) {
  columns.show("execution");
  const button = byId("verify");
  reveal(button.parentElement);
  if (button.disabled) toast("There is no entry yet.", "warn");
  else button.click();
}

function lenient({ covenant }) {
  covenant.lenient = !covenant.lenient;
  covenant.refresh();
  toast(covenant.lenient ? "Unreadable words are now left out, with a warning." : "Unreadable words are refused again.");
}

function clear({ session, columns }) {
  session.clear();
  columns.show("conversation");
  byId("prompt").focus();
}

/** The dialog of keys. */
export function showKeys() {
  fill(
    byId("shortcuts"),
    KEYS.flatMap(([keys, what]) => [el("dt", {}, keys.split(/ (?=or |, )|, /).map((one) => el("kbd", {}, one.trim()))), el("dd", {}, what)]),
  );
  byId("shortcuts-dialog").showModal();
}

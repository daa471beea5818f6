/** What destinations gave up, and having it delivered again. */

import { replay } from "./api.js";
import { byId, closed, el, keyed, toast, write } from "./dom.js";
import { ago, counted } from "./format.js";

let letters = [];

/** Args: refresh: called when something was replayed. */
export function setUpDeadLetters(refresh) {
  byId("replay-all").addEventListener("click", () => ask(letters, refresh));
}

export function showDeadLetters({ dead_letters: found, ts, figures }, open, refresh) {
  letters = found;
  byId("dead").hidden = found.length === 0;
  const total = figures.destinations.reduce((sum, one) => sum + one.dead, 0);
  write(byId("dead-title"), total > found.length ? `Dead letters (${found.length} of ${total})` : `Dead letters (${found.length})`);
  write(byId("replay-all"), found.length > 1 ? `Replay these ${found.length}` : "Replay it");
  keyed(
    byId("dead-rows"),
    found,
    (one) => `${one.destination} ${one.tenant} ${one.event_id}`,
    (one) => make(one, open, refresh),
    (row, one) => write(row.firstElementChild, ago(one.at, ts)),
  );
}

function make(one, open, refresh) {
  const name = el("button", { class: "link", type: "button", title: one.event_id }, one.event_id);
  name.addEventListener("click", () => open({ ...one, session_id: one.event_id }, name));
  const again = el("button", { class: "btn small", type: "button", "aria-label": `Replay ${one.event_id} to ${one.destination}` }, "Replay");
  again.addEventListener("click", () => ask([one], refresh));
  return el(
    "tr",
    {},
    el("td", { class: "time", title: one.at }),
    el("td", {}, one.destination),
    el("td", { class: "session-cell" }, name),
    el("td", { class: "num" }, String(one.failures)),
    el("td", { class: "reason-cell" }, one.reason),
    el("td", {}, again),
  );
}

async function ask(chosen, refresh) {
  const names = [...new Set(chosen.map((one) => one.destination))].join(", ");
  byId("confirm-title").textContent = chosen.length === 1 ? "Replay this event?" : `Replay ${counted(chosen.length, "event")}?`;
  byId("confirm-text").textContent = `It goes to ${names} once more, with all attempts anew, and is no dead letter then.`;
  const dialog = byId("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  byId("confirm-yes").focus();
  await closed(dialog);
  if (dialog.returnValue !== "yes") return;
  let replayed = 0;
  try {
    for (const one of chosen) replayed += (await replay(one)).replayed;
    toast(replayed ? `${counted(replayed, "event")} on the way again` : "Somebody replayed it already", replayed ? "good" : "warn");
  } catch (problem) {
    toast(`Replayed ${replayed} of ${chosen.length}: ${problem.message}`, "bad");
  }
  refresh();
}

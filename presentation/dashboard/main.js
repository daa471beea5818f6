/** Asks for the figures every two seconds while somebody looks, and shows them; logs in and out. */

import { logIn, logOut, readData, Refused } from "./api.js";
import { setUpDeadLetters, showDeadLetters } from "./dead_letters.js";
import { showDestinations } from "./destinations.js";
import { announce, byId, el, toast, write } from "./dom.js";
import { openEvent, setUpEvent } from "./event.js";
import { showFigures } from "./figures.js";
import { clock, counted } from "./format.js";
import { showSessions } from "./sessions.js";

const EVERY_MS = 2_000;
const LONGEST_MS = 16_000;
const VIEWS = ["login", "off", "board"];

let timer = null;
let isAsking = false;
let isWanted = false;
let lost = 0;

function show(view) {
  for (const name of VIEWS) byId(name).hidden = name !== view;
  if (view !== "board") {
    byId("logout").hidden = true;
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  }
}

function connection(state, text, kind) {
  const chip = byId("connection");
  if (chip.dataset.state === state) return;
  chip.dataset.state = state;
  chip.className = `chip ${kind}`.trim();
  write(chip.lastElementChild, text);
}

/** One look, now; another one follows. If one is on its way already, this one comes after it. */
async function refresh() {
  clearTimeout(timer);
  if (isAsking) {
    isWanted = true;
    return;
  }
  isAsking = true;
  try {
    const data = await readData();
    if (lost) toast("The connection is back", "good");
    lost = 0;
    showBoard(data);
  } catch (problem) {
    if (problem instanceof Refused && problem.status < 500) turnedAway(problem);
    else if (problem instanceof Refused && problem.code === "sessions_off") turnedAway(problem);
    else lose(problem);
  } finally {
    isAsking = false;
  }
  if (isWanted) {
    isWanted = false;
    refresh();
  } else if (!byId("board").hidden || lost) later();
}

function later() {
  clearTimeout(timer);
  if (document.hidden) connection("paused", "Paused", "");
  else timer = setTimeout(refresh, Math.min(LONGEST_MS, EVERY_MS * 2 ** Math.min(lost, 3)));
}

function lose() {
  lost += 1;
  connection("lost", "Connection lost, trying again", "bad");
  if (lost === 1) announce("The connection was lost; what is shown is of before.");
  if (VIEWS.every((name) => byId(name).hidden)) {
    byId("off-message").textContent = "The server can't be reached. This page goes on trying.";
    byId("off-settings").hidden = true;
    show("off");
  }
}

function turnedAway(problem) {
  lost = 0;
  if (problem.code === "login_required") {
    connection("out", "Not logged in", "");
    const wasShown = !byId("login").hidden;
    show("login");
    if (!wasShown) byId("user").focus();
    return;
  }
  connection("off", "Not available", "warn");
  byId("off-message").textContent = problem.message;
  byId("off-settings").hidden = problem.code !== "dashboard_off";
  show("off");
}

function showBoard(data) {
  show("board");
  connection("live", "Live", "good");
  byId("logout").hidden = data.access !== "login";
  write(byId("about"), `All tenants, at ${clock(data.ts)}. Latencies are of process ${data.process} on ${data.host}, its latest 1,000.`);
  notes(data);
  showFigures(data);
  showDestinations(data);
  const host = { isOpen: data.access === "open", hasDestinations: data.figures.destinations.length > 0 };
  const open = (line, from) => openEvent(line, from, host);
  showDeadLetters(data, open, refresh);
  showSessions(data, open);
}

function notes(data) {
  const wanted = [];
  if (data.access === "open") wanted.push("Open: this gateway serves this computer alone and asks for no login");
  if (data.recent.some((one) => one.is_demo)) wanted.push("Some of these sessions are demo data, and labelled so; the figures count them");
  const dead = data.figures.destinations.reduce((sum, one) => sum + one.dead, 0);
  const state = `${dead} ${wanted.join()}`;
  const place = byId("notes");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  const chips = wanted.map((text) => el("span", { class: "chip info" }, text));
  if (dead) chips.push(el("a", { class: "chip bad", href: "#dead" }, counted(dead, "dead letter")));
  place.replaceChildren(...chips);
}

async function sendLogin(event) {
  event.preventDefault();
  const [user, password] = [byId("user"), byId("password")];
  const problem = byId("login-problem");
  const missing = [user, password].find((field) => !field.value);
  for (const field of [user, password]) field.toggleAttribute("aria-invalid", false);
  if (missing) {
    missing.setAttribute("aria-invalid", "true");
    problem.textContent = `The ${missing.id} is missing.`;
    missing.focus();
    return;
  }
  byId("login-send").disabled = true;
  problem.textContent = "";
  try {
    await logIn(user.value, password.value);
    password.value = "";
    await refresh();
    byId("main").focus({ preventScroll: true });
  } catch (refused) {
    problem.textContent = refused instanceof Refused ? sentence(refused.message) : "The server can't be reached.";
    password.select();
  } finally {
    byId("login-send").disabled = false;
  }
}

function sentence(text) {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

async function sendLogout() {
  await logOut().catch(() => {});
  clearTimeout(timer);
  refresh();
}

byId("login-form").addEventListener("submit", sendLogin);
byId("logout").addEventListener("click", sendLogout);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
  else if (!byId("board").hidden) {
    clearTimeout(timer);
    connection("paused", "Paused", "");
  }
});
addEventListener("online", refresh);
addEventListener("offline", () => connection("lost", "Connection lost, trying again", "bad"));
setUpEvent();
setUpDeadLetters(refresh);
refresh();

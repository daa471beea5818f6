/** The three ways to integrate: what is shown is made from the very request that is sent. The top is pure. */

import { ask, GatewayError, stream, token } from "./api.js";
import { byId, el } from "./dom.js";

const QUESTION = [{ role: "user", content: "What is a vGPU?" }];
export const PATH = "/v1/chat/completions";

export const OPTIONS = {
  direct: { body: { model: "auto", messages: QUESTION, stream: true }, headers: {} },
  gateway: {
    body: { model: "auto", messages: QUESTION },
    headers: { "cf-aig-max-attempts": "2", "cf-aig-request-timeout": "10000", "cf-aig-collect-log": "false" },
  },
  pools: {
    body: { model: "auto", messages: QUESTION, covenant: "$2 budget, 30s timeout, high security" },
    headers: {},
  },
};

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What a sample has in the place of the token, which is nobody's to read off a screen. */
const YOURS = "<your token>";

/** The request as a curl command. Args: isClosed: the gateway wants a token. */
export function curlOf({ body, headers }, origin, isClosed = false) {
  const lines = [`curl ${body.stream ? "-N " : ""}${origin}${PATH}`, "-H 'content-type: application/json'"];
  if (isClosed) lines.push(`-H ${quoted(`authorization: Bearer ${YOURS}`)}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  lines.push(`-d ${quoted(JSON.stringify(body, null, 1).replace(/\n\s*/g, " "))}`);
  return lines.join(" \\\n  ");
}

const KNOWN = ["model", "messages", "stream"];

/** The request with OpenAI's Python package. */
export function pythonOf({ body, headers }, origin, isClosed = false) {
  const extra = Object.fromEntries(Object.entries(body).filter(([name]) => !KNOWN.includes(name)));
  const given = [`model=${python(body.model)}`, `messages=${python(body.messages)}`];
  if (body.stream) given.push("stream=True");
  if (Object.keys(extra).length) given.push(`extra_body=${python(extra)}`);
  if (Object.keys(headers).length) given.push(`extra_headers=${python(headers)}`);
  return [
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${origin}/v1", api_key="${isClosed ? YOURS : "unused"}")`,
    `answer = client.chat.completions.create(\n    ${given.join(",\n    ")},\n)`,
  ].join("\n");
}

function python(value) {
  return JSON.stringify(value, null, 1)
    .replace(/\n\s*/g, " ")
    .replace(/\[ /g, "[")
    .replace(/ \]/g, "]")
    .replace(/\{ /g, "{")
    .replace(/ \}/g, "}");
}

/** What of an answer's headers is worth showing, in this order, with what each says. */
export const TOLD = {
  "x-harpoon-route": "route that answered",
  "x-harpoon-policy": "covenant as read",
  "x-harpoon-complexity": "classified as",
  "x-harpoon-attempts": "upstream calls",
  "x-harpoon-cost-usd": "charged, US dollars",
  "x-harpoon-cost-estimate-usd": "expected cost, US dollars",
  "x-harpoon-simulated": "simulated, no model behind it",
  "cf-aig-cache-status": "cache",
  "x-harpoon-decision-id": "decision",
};

function showSample(box, option, way) {
  const text = (way === "python" ? pythonOf : curlOf)(option, location.origin, Boolean(token()));
  box.querySelector("pre").textContent = text;
}

async function run(box, option) {
  const out = box.querySelector(".answer");
  const status = box.querySelector("[role=status]");
  const button = box.querySelector(".run");
  const text = el("p", { class: "answer-text" });
  out.replaceChildren(text);
  status.textContent = "Asking the gateway …";
  button.setAttribute("aria-disabled", "true");
  try {
    if (option.body.stream) {
      const found = await stream(option.body, { headers: option.headers, onDelta: (piece) => text.append(piece) });
      status.textContent = `Streamed: first text after ${found.firstMs?.toFixed(0)} ms, ${found.pieces} pieces in ${found.ms.toFixed(0)} ms.`;
      out.append(headersTable(found.headers));
    } else {
      const found = await ask("POST", PATH, option);
      if (found.status >= 400) throw new GatewayError(found.status, found.json);
      text.textContent = found.json.choices[0].message.content;
      status.textContent = `Answered with ${found.status} in ${found.ms.toFixed(0)} ms.`;
      out.append(headersTable(found.headers));
    }
  } catch (problem) {
    status.textContent =
      problem instanceof GatewayError ? `Refused with ${problem.status}.` : "The gateway can't be reached.";
    text.textContent = problem instanceof GatewayError ? problem.message : "";
    text.classList.add("bad");
    if (problem.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
  }
  button.removeAttribute("aria-disabled");
}

function headersTable(headers) {
  const found = Object.entries(TOLD).filter(([name]) => headers.get(name));
  const lines = found.flatMap(([name, says]) => [
    el("dt", {}, says, " ", el("code", { text: name })),
    el("dd", { text: headers.get(name) }),
  ]);
  return el("dl", { class: "headers" }, ...lines);
}

/** Wire the samples: the choice of language, copying, and running. Returns what writes them anew, for a new token. */
export function startSamples() {
  const samples = [];
  for (const box of document.querySelectorAll(".sample")) {
    const option = OPTIONS[box.dataset.option];
    let way = "curl";
    const again = () => showSample(box, option, way);
    again();
    samples.push(again);
    for (const choice of box.querySelectorAll("input[type=radio]")) {
      choice.addEventListener("change", () => {
        way = choice.value;
        again();
      });
    }
    box.querySelector(".run").addEventListener("click", (event) => {
      if (event.currentTarget.getAttribute("aria-disabled") !== "true") run(box, option);
    });
    box.querySelector(".copy").addEventListener("click", async () => {
      await navigator.clipboard?.writeText(box.querySelector("pre").textContent);
      box.querySelector("[role=status]").textContent = "Copied.";
    });
  }
  byId("check-requirements").addEventListener("click", checkRequirements);
  return () => samples.forEach((again) => again());
}

/** Each requirement of the table, asked of this gateway now: what was seen, or what is missing. */
export const CHECKS = {
  compatible: async () => {
    const { status, json } = await ask("POST", PATH, { body: { model: "auto", messages: QUESTION } });
    return [
      status === 200 && json.object === "chat.completion" && "usage" in json,
      `HTTP ${status}, ${json?.object ?? json?.error?.code}`,
    ];
  },
  catalogue: async () => {
    const { status, json } = await ask("GET", "/v1/models");
    const models = json?.data?.length ?? 0;
    return [status === 200 && models > 0, `${models} names a request may use`];
  },
  streaming: async () => {
    const found = await stream({ model: "auto", messages: QUESTION }, { onDelta: () => {} });
    return [found.isWhole && found.pieces > 1, `${found.pieces} pieces, ended ${found.isWhole ? "whole" : "early"}`];
  },
  availability: async () => {
    const { status, json } = await ask("GET", "/simulator/v1/pools");
    const pools = json?.data ?? [];
    const told = pools.map((one) => `${one.pool}: ${one.free_slots} free`).join(", ");
    return [pools.length > 0, told || `HTTP ${status}: no simulator here`];
  },
  tier: async () => {
    const routes = [];
    // Of these two the weights lie furthest apart, so that no pool that is busy just now makes them choose the same.
    for (const priority of ["cost_optimized", "max_security"]) {
      const { json } = await ask("POST", "/v2/route", { body: { text: "What is a vGPU?", covenant: { priority } } });
      routes.push(json?.selected ?? "none");
    }
    return [routes[0] !== routes[1], routes.map((route) => route.split("@").pop()).join(" and ")];
  },
  analytics: async () => {
    const { status, text } = await ask("GET", "/metrics");
    const metrics = new Set((text.match(/^# TYPE \S+/gm) ?? []).map((line) => line.slice(7)));
    return [status === 200 && metrics.size > 0, `${metrics.size} metrics, and a decision for every request`];
  },
};

async function checkRequirements() {
  const status = byId("requirements-status");
  let good = 0;
  for (const [name, check] of Object.entries(CHECKS)) {
    const cell = byId(`requirement-${name}`);
    cell.textContent = "…";
    let found;
    try {
      found = await check();
    } catch (problem) {
      found = [false, problem.message];
    }
    good += found[0] ? 1 : 0;
    cell.replaceChildren(
      el("span", { class: found[0] ? "chip good" : "chip warn", text: found[0] ? "seen" : "not seen" }),
      ` ${found[1]}`,
    );
  }
  status.textContent = `${good} of ${Object.keys(CHECKS).length} seen on this gateway just now.`;
}

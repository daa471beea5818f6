/** What the page asks of its own server, and how it failed. */

const PATIENCE_MS = 8_000;

/** The server said no: its status, its code and its message. */
export class Refused extends Error {
  constructor(status, code, message, retryAfterS) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

async function ask(path, options = {}) {
  const answer = await fetch(path, {
    cache: "no-store",
    credentials: "same-origin",
    signal: AbortSignal.timeout(PATIENCE_MS),
    ...options,
  });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const { code = "", message = `the server answered ${answer.status}` } = body.error ?? {};
  throw new Refused(answer.status, code, message, Number(answer.headers.get("retry-after") ?? 0));
}

function post(path, value) {
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });
}

export const readData = () => ask("/dashboard/data");
export const readEvent = (id, tenant) =>
  ask(`/dashboard/events/${encodeURIComponent(id)}?tenant=${encodeURIComponent(tenant)}`);
export const logIn = (user, password) => post("/dashboard/login", { user, password });
export const logOut = () => post("/dashboard/logout", {});
export const replay = ({ destination, event_id, tenant }) => post("/dashboard/replay", { destination, event_id, tenant });

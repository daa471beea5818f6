/** A completed session, in short. What it leaves out is assumed by the server, which says so in the event. */
export interface ShortEvent {
  session_id: string;
  usage: Usage;
  outcome?: OutcomeStatus | Outcome;
  event_id?: string;
  timestamp?: string | Date;
  duration_ms?: number;
  user_id?: string;
  metadata?: Record<string, unknown>;
  [field: string]: unknown;
}

/** A completed session, in full: docs/sessions.md has every field. */
export interface FullEvent {
  session: { session_id: string; [field: string]: unknown };
  usage: Usage;
  outcome?: OutcomeStatus | Outcome;
  event_id?: string;
  timestamp?: string | Date;
  user?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  [field: string]: unknown;
}

export type OutcomeStatus = "success" | "error" | "timeout" | "user_terminated";

export interface Outcome {
  status: OutcomeStatus;
  error_code?: string | null;
  error_message?: string | null;
  final_message?: string | null;
}

/** Whole numbers: the total, or both parts, by either pair of names. */
export interface Usage {
  total_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
  prompt_tokens?: number;
  completion_tokens?: number;
  model?: string;
  estimated_cost_usd?: number | null;
  [field: string]: unknown;
}

/** `kept`: the event is in the queue, under `event_id`. Otherwise `problem` says why it is not. */
export type Captured =
  | { event_id: string; kept: true; problem: null }
  | { event_id: null; kept: false; problem: string };

export interface Problem {
  kind: "configuration" | "closed" | "invalid_event" | "queue_full" | "refused" | "server";
  message: string;
  event_id?: string;
  status?: number;
}

export interface Stats {
  captured: number;
  waiting: number;
  refused: number;
  lost: number;
}

export interface Options {
  /** The server's URL; else the page's own origin, in Node http://127.0.0.1:8080. */
  endpoint?: string;
  /** A key that can only write events: what a page gets. */
  publicKey?: string;
  /** The secret key, for Node only. */
  apiKey?: string;
  /** Told of whatever goes wrong; else console.warn is. */
  onProblem?: (problem: Problem) => void;
  /** Where events wait: localStorage, in Node null = memory. */
  storage?: Storage | null;
  fetch?: typeof globalThis.fetch;
  /** Numbers from 0 up to 1, by which waits are drawn. */
  random?: () => number;
  maxEvents?: number;
  maxBytes?: number;
  maxEventBytes?: number;
  maxRefused?: number;
  batchEvents?: number;
  batchBytes?: number;
  timeoutMs?: number;
  baseMs?: number;
  capMs?: number;
  beaconHoldMs?: number;
}

export class SessionCompletionRuntime {
  constructor(options?: Options);
  capture(event: ShortEvent | FullEvent): Captured;
  flush(options?: { timeoutMs?: number }): Promise<boolean>;
  stats(): Stats;
  refused(): { text: string; reason: string }[];
  forgetRefused(): void;
  close(): void;
}


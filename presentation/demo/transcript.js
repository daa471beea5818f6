/** What is exported: the covenant with its reading, the conversation, and what happened to each message. No token. */

export const FORMAT = "harpoon-demo-export/v1";

/** Args: at: RFC 3339. */
export function transcriptOf({ session, covenant, model, at }) {
  return {
    format: FORMAT,
    exported_at: at,
    model,
    covenant: { text: covenant.text, mode: covenant.lenient ? "lenient" : "strict", reading: covenant.reading },
    transcript: session.turns.map((turn) => ({
      prompt: turn.prompt,
      covenant: turn.covenant,
      model: turn.model,
      state: turn.state,
      answer: turn.answer.text,
      problem: turn.problem ?? null,
      request_id: turn.headers.requestId ?? turn.trail.requestId,
      decision_id: turn.headers.decisionId ?? turn.trail.decisionId,
      route: turn.headers.route ?? null,
      simulated: turn.headers.isSimulated ?? false,
      execution: executionOf(turn.trail),
    })),
  };
}

function executionOf({ classification, candidates, policy, decision, denied, attempts, cost, settled, entries }) {
  return { classification, candidates, policy, decision, denied, attempts, cost, settled, ledger_entries: entries };
}

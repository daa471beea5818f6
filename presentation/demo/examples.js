/** Covenants and messages to begin with: three that are served, and one for each way to be refused. */

export const EXAMPLES = [
  {
    id: "report",
    title: "A report with limits",
    covenant: "Budget: $1, Time: 30 seconds, Quality: high",
    prompt: "Analyze this financial report and identify the top 5 risks. Two customers make up most of sales. The credit line expires in March. Debt has doubled. Key engineers left in June. A supplier sues for damages.",
  },
  { id: "security", title: "High security", covenant: "$2 budget, 30s timeout, high security", prompt: "What is a vGPU?" },
  { id: "cheap", title: "As cheap as possible", covenant: "keep it cheap, under 1 cent per request", prompt: "Summarise in one sentence: A GPU pool shares cards between workloads. Sharing lowers the price and may lengthen the wait." },
  { id: "contradiction", title: "Contradicting itself", covenant: "Budget $2. Budget $5. Cheapest and fastest.", prompt: "What is a token?" },
  { id: "over-budget", title: "Refused: budget", covenant: "budget $0.000001", prompt: "What is a vGPU?", fails: true },
  { id: "too-fast", title: "Refused: deadline", covenant: "10 ms timeout", prompt: "What is a vGPU?", fails: true },
  { id: "unreadable", title: "Unreadable", covenant: "done by Friday noon, a few dollars, only groq", prompt: "What is a vGPU?", fails: true },
  { id: "residency", title: "Refused: residency", covenant: "$1, only in Japan", prompt: "What is a vGPU?", fails: true },
];

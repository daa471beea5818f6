// Imports the presentation's modules and answers what the test asks: {module, call, args} to the call's result.
import { readFileSync } from "node:fs";

globalThis.document = {};
globalThis.location = { origin: "http://gateway" };
const asked = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const { module, call, args } of asked) {
  const found = (await import(new URL(module, process.argv[2] + "/")))[call];
  let result = typeof found === "function" ? found(...args) : found;
  if (call === "settingOf") result = { ...result, tierOf: undefined };
  answers.push(result ?? null);
}
process.stdout.write(JSON.stringify(answers));

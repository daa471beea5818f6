/** Starts the page: figures and pictures from their files, then everything that asks the gateway. */

import { startArchitecture } from "./architecture.js";
import { startCalculators } from "./calculator.js";
import { startCovenant } from "./covenant.js";
import { labelled } from "./dom.js";
import { startFigures } from "./figures.js";
import { startFormula } from "./formula.js";
import { startHero } from "./hero.js";
import { startKernel } from "./kernel_try.js";
import { startNavigation } from "./navigation.js";
import { startOvercommit, unpack } from "./overcommit.js";
import { startSamples } from "./samples.js";
import { startSetups } from "./setups.js";
import { startTopology } from "./topology.js";

const file = async (name) => (await fetch(new URL(name, import.meta.url))).json();

document.querySelectorAll("main table").forEach(labelled);
startArchitecture();
const writeSamples = startSamples();
startFormula();
startKernel();
const askAgain = [startHero(), startCovenant(), writeSamples];
const commands = startSetups(() => askAgain.forEach((again) => again()));
const navigation = startNavigation(commands);
for (const button of document.querySelectorAll("[data-go]")) {
  button.addEventListener("click", () => navigation.go(button.dataset.go));
}
const [figures, packed, exposure] = await Promise.all(["figures.json", "overcommit.json", "exposure.json"].map(file));
const overcommit = unpack(packed);
startFigures(figures);
startOvercommit(overcommit);
startTopology(exposure);
startCalculators(figures.figures, overcommit);
document.documentElement.dataset.ready = "true";

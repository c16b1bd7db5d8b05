// Plays one scene on the upload page:
//
//   node scene.mjs NAME LINK FOLDER DATA SEED
//
// LINK is an order's upload link, FOLDER an empty folder for the scene's files, DATA the server's
// data directory; STEMVAULT_ENGINE the browser. Says in JSON lines what happened; asks the test for what only it can do.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import * as ends from "./scenes/ends.mjs";
import * as honest from "./scenes/honest.mjs";
import * as interrupted from "./scenes/interrupted.mjs";
import * as looks from "./scenes/looks.mjs";
import * as proven from "./scenes/proven.mjs";
import * as whole from "./scenes/whole.mjs";
import { relay } from "./relay.mjs";
import { lastSight, seeded, standOn, tell } from "./studio.mjs";

const [name, address, folder, data, seed] = process.argv.slice(2);
const scenes = { ...whole, ...interrupted, ...ends, ...honest, ...proven, ...looks };
const home = join(folder, "browser");
const session = join(folder, "Nachtzug");
await mkdir(session, { recursive: true });
const line = await relay(address);
const { link } = line;
standOn(line);
try {
  await scenes[name]({ link, folder, home, session, data, random: seeded(Number(seed)) });
  tell("done");
  process.exit(0);
} catch (error) {
  const sight = await lastSight(name);
  tell("failed", { message: `${error.stack ?? error}\nWhat the page said:\n${sight}` });
  process.exit(1);
}

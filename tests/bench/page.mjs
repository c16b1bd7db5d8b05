// Sends a folder by the upload page in a real browser, for page.py:
//
//   node page.mjs LINK FOLDER HOME drop|choose
//
// One JSON object: seconds from the choice to the last acknowledgement; as Chromium says them, the longest
// tasks of the page's main thread, the seconds of a core that its process took, and its heap.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { chooseFolder, ENGINE, launch } from "../browser/engines.mjs";
import { Quiet } from "./quiet.mjs";

/** Seconds of a core that the processes took which run pages, since they began. */
function rendering(home) {
  const [browser] = execFileSync("pgrep", ["-f", "--", `--user-data-dir=${home}`]).toString().split("\n");
  let ticks = 0;
  for (const pid of execFileSync("ps", ["-eo", "pid=,args="]).toString().split("\n")) {
    const [, id, words] = /^ *(\d+) (.*)$/.exec(pid) ?? [];
    if (!words?.includes("--type=renderer") || !descends(id, browser)) continue;
    const fields = readFileSync(`/proc/${id}/stat`, "utf8").split(") ")[1].split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

function descends(id, from) {
  for (let now = id; now > 1; now = readFileSync(`/proc/${now}/stat`, "utf8").split(") ")[1].split(" ")[1]) {
    if (now === from) return true;
  }
  return false;
}

const [link, folder, home, HOW] = process.argv.slice(2);
const PATIENCE = 1_800_000;

/** What the page notes from its beginning on. */
function note() {
  globalThis.tasks = [];
  if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
    new PerformanceObserver((seen) => tasks.push(...seen.getEntries().map(({ duration }) => duration))).observe({
      type: "longtask",
    });
  }
  for (const how of ["change", "drop"]) addEventListener(how, () => (globalThis.began ??= performance.now()), true);
  new MutationObserver(() => {
    if (document.querySelector(".progress.done")) globalThis.ended ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true });
}

/** What it has noted, once everything has arrived. */
function noted() {
  return {
    seconds: (globalThis.ended - globalThis.began) / 1000,
    tasks: globalThis.tasks.sort((one, two) => two - one).map(Math.round),
    heap: performance.memory?.usedJSHeapSize,
    text: document.querySelector(".progress").innerText,
  };
}

async function byPlaywright(link, folder, home) {
  const context = await launch(home, { viewport: { width: 768, height: 1000 } });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.addInitScript(() => delete globalThis.showDirectoryPicker);
  await page.addInitScript(note);
  await page.goto(link);
  await page.locator("#files").waitFor();
  await chooseFolder(page, folder);
  await page.waitForFunction(() => globalThis.ended !== undefined, undefined, { polling: 200 });
  const said = await page.evaluate(noted);
  return { said, close: () => context.close() };
}

async function quietly(link, folder, home) {
  const page = new Quiet(home, PATIENCE);
  await page.open(link, note);
  await page.until(() => document.querySelector("#files") !== null);
  if (HOW === "drop") await page.drop(folder);
  else await page.choose("#choose-folder", folder);
  await page.until(() => globalThis.ended !== undefined);
  const said = { ...(await page.evaluate(noted)), cpu: rendering(home) };
  return { said, close: () => page.close() };
}

const { said, close } = await (ENGINE === "chromium" ? quietly : byPlaywright)(link, folder, home);
process.stdout.write(`${JSON.stringify(said)}\n`);
await close();

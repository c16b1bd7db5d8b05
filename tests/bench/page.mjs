// Sends a folder by the upload page in a real browser, for page.py:
//
//   node page.mjs LINK FOLDER HOME
//
// One JSON object: seconds from the choice to the last acknowledgement, the longest tasks of the page's
// main thread (Chromium says them) and its heap.

import { chooseFolder, launch } from "../browser/engines.mjs";

const PATIENCE = 1_800_000;

const [link, folder, home] = process.argv.slice(2);
const context = await launch(home, { viewport: { width: 768, height: 1000 } });
context.setDefaultTimeout(PATIENCE);
const page = await context.newPage();
await page.addInitScript(() => {
  delete globalThis.showDirectoryPicker;
  globalThis.tasks = [];
  if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
    new PerformanceObserver((seen) => tasks.push(...seen.getEntries().map(({ duration }) => duration))).observe({
      type: "longtask",
    });
  }
  addEventListener("change", () => (globalThis.began ??= performance.now()), true);
  new MutationObserver(() => {
    if (document.querySelector(".progress.done")) globalThis.ended ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true });
});
await page.goto(link);
await page.locator("#files").waitFor();
await chooseFolder(page, folder);
await page.waitForFunction(() => globalThis.ended !== undefined, undefined, { polling: 200 });
const said = await page.evaluate(() => ({
  seconds: (globalThis.ended - globalThis.began) / 1000,
  tasks: globalThis.tasks.sort((one, two) => two - one).map(Math.round),
  heap: performance.memory?.usedJSHeapSize,
  text: document.querySelector(".progress").innerText,
}));
process.stdout.write(`${JSON.stringify(said)}\n`);
await context.close();

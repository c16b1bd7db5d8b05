// What every scene stands on: the page of one upload link, the test that started us, and files made
// from a seed.

import { mkdir, readdir, readFile, writeFile, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

import { ENGINE, isHarmless, launch } from "./engines.mjs";

export { chooseFolder, kill } from "./engines.mjs";

/** How long anything may take before a scene gives up; only failures ever wait for it. */
export const PATIENCE = Number(process.env.STEMVAULT_PATIENCE ?? 90_000);

const lines = createInterface({ input: process.stdin });
const waiting = [];
lines.on("line", (line) => waiting.shift()?.(line));

/** Asks the test that started us to do something to the studio, and waits for its answer. */
export function ask(what, fields = {}) {
  const answered = new Promise((resolve) => waiting.push(resolve));
  process.stdout.write(`${JSON.stringify({ ask: what, ...fields })}\n`);
  return answered.then(JSON.parse);
}

/** Tells the test something. */
export function tell(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

export function check(holds, said) {
  if (!holds) throw new Error(said);
}

/** Waits until something is so; says what was not, if it never is. */
export async function eventually(said, holds) {
  const end = performance.now() + PATIENCE;
  while (!(await holds())) {
    check(performance.now() < end, said);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Numbers in 0..1 from a seed (mulberry32). */
export function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bytes that no codec and no proxy can guess. */
export function noise(length, random) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((random() * 4294967296) >>> 0, at);
  return bytes;
}

/** A stereo WAV file of 48 kHz and 24 bit with about so many bytes of noise. */
export function wav(length, random, rate = 48_000) {
  const data = length - (length % 6);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + data, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 6, 28);
  head.writeUInt16LE(6, 32);
  head.writeUInt16LE(24, 34);
  head.write("data", 36);
  head.writeUInt32LE(data, 40);
  return Buffer.concat([head, noise(data, random)]);
}

/** Writes files, `{path: bytes}`, and gives them the same time of change, in 2023. */
export async function lay(folder, files) {
  for (const [path, bytes] of Object.entries(files)) {
    const at = join(folder, path);
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, bytes);
    await utimes(at, 1_700_000_000.123, 1_700_000_000.123);
  }
}

/** Every file of a folder, `{path: bytes}`. */
export async function read(folder, before = "") {
  const files = {};
  for (const entry of await readdir(join(folder, before), { withFileTypes: true })) {
    const path = before + entry.name;
    if (entry.isDirectory()) Object.assign(files, await read(folder, `${path}/`));
    else files[path] = await readFile(join(folder, path));
  }
  return files;
}

/** A browser with a memory: what it stores lies in `home`. */
export async function open(home, options = {}) {
  const context = await launch(home, { viewport: { width: 768, height: 1000 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  contexts.push(context);
  return context;
}

const contexts = [];

/** Keeps what a page looks like, if somebody wants pictures. */
export async function picture(page, name) {
  const folder = process.env.STEMVAULT_PICTURES;
  if (folder) await page.screenshot({ path: `${folder}/${ENGINE}-${name}.png`, fullPage: true });
}

/** What can be read where a scene failed; and seen, if somebody wants pictures. */
export async function lastSight(name) {
  const texts = [];
  for (const page of contexts.at(-1)?.pages() ?? []) {
    const text = await page.evaluate(() => `${document.title}\n${document.body.innerText}`).catch(String);
    texts.push(text.slice(0, 3000));
    await picture(page, `failed-${name}`).catch(() => {});
  }
  return texts.join("\n---\n");
}

/** A tab on the upload link, with what went wrong in it. */
export async function visit(context, link, prepare) {
  const page = await context.newPage();
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    // A policy that is broken is a mistake of the page.
    if (message.type() === "error" && !isHarmless(text)) page.wrong.push(text);
  });
  if (prepare) await prepare(page);
  await page.goto(link);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator("#files, #receipt").first().waitFor();
  return page;
}

let line;

/** The line between the browser and the studio; see `network`. */
export function standOn(relay) {
  line = relay;
}

/**
 * Lets so many bytes a second leave the browser, all its pages together, so that there is a middle to
 * interrupt; -1 for all that it can. Or none at all.
 */
export async function network(page, bytes, offline = false) {
  line.slow(bytes < 0 ? Infinity : bytes);
  await page.context().setOffline(offline);
}

/** The line is quick again, for the pages that are opened next. */
export function quick() {
  line.slow(Infinity);
}

/** As someone who picks a folder where the browser has no handles. */
export function withoutHandles(page) {
  return page.addInitScript(() => {
    delete globalThis.showDirectoryPicker;
    delete globalThis.showOpenFilePicker;
  });
}

/** Whole percent that the page says have arrived. */
export function percent(page) {
  return page.locator(".progress > progress").evaluate((bar) => bar.value);
}

/** Waits until at least so many percent have arrived, and not all. */
export async function until(page, least) {
  await page.waitForFunction((least) => document.querySelector(".progress > progress")?.value >= least, least, {
    polling: 20,
  });
}

/**
 * Opens a part that is folded up, found by the words that it shows. The page is drawn anew while it
 * sends: a click that meets what has just moved opens nothing.
 */
export async function unfold(page, words) {
  const summary = page.locator("summary", { hasText: words });
  await eventually(`"${words}" does not open`, async () => {
    if (await summary.evaluate((summary) => summary.parentElement.open)) return true;
    await summary.click();
    return false;
  });
}

export async function arrived(page) {
  await page.locator(".progress.done", { hasText: "Now submit" }).waitFor();
}

export async function fill(page, form) {
  for (const [name, value] of Object.entries(form)) await page.locator(`#field-${name}`).fill(value);
}

/**
 * Leaves out everything that would come back. As with what is folded up, a click may meet what has just
 * moved: what counts is that nothing is left.
 */
export async function leaveOut(page) {
  const button = page.locator(".attention li").first().getByRole("button", { name: "Leave it out" });
  await eventually("what would come back is still there", async () => {
    if ((await page.locator(".attention li").count()) === 0) return true;
    await button.click({ timeout: 5_000 }).catch(() => {});
    return false;
  });
}

/** Presses Submit; the receipt as the page shows it. */
export async function submit(page) {
  await page.getByRole("button", { name: "Submit to the studio" }).click();
  await page.locator("#receipt").waitFor();
  return receipt(page);
}

/** Path to hash, as the page lists them. */
export function receipt(page) {
  return page.locator(".hashes li").evaluateAll((rows) =>
    Object.fromEntries(
      rows.map((row) => [row.querySelector(".file").textContent, row.querySelector("code").textContent]),
    ),
  );
}

/** The end of a scene: nothing went wrong in the page. */
export function clean(page) {
  page.listen?.();
  check(page.wrong.length === 0, `the page complained: ${page.wrong.join("; ")}`);
}

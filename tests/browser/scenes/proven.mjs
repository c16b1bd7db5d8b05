// What the page says was done was done: what was taken back is gone, what arrived is the file on the
// disk, and a link whose files were accepted says so.

import { rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  arrived,
  ask,
  check,
  chooseFolder,
  clean,
  eventually,
  fill,
  lay,
  network,
  noise,
  open,
  receipt,
  submit,
  tell,
  unfold,
  until,
  visit,
  wav,
  withoutHandles,
} from "../studio.mjs";
import { look } from "./looks.mjs";

const FORM = { song: "Nachtzug", artist: "Demo-Band" };

async function paths() {
  return (await ask("uploads")).map((upload) => upload.path).sort();
}

/** The list of all files, opened; the row of one. */
async function row(page, name) {
  await unfold(page, /^All files: /);
  return page.locator("details.card", { has: page.getByText(/^All files: /) }).locator("li", { hasText: name });
}

/**
 * A file that was sent is taken back, before and after the studio has returned the session: it is
 * gone, stays out when its folder is chosen again, and the receipt names it.
 */
export async function taken({ link, home, session, random }) {
  const files = {};
  for (const name of ["a", "b", "c", "d"]) files[`${name}.wav`] = wav(60_000, random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await chooseFolder(page, session);
  await arrived(page);
  await (await row(page, "b.wav")).getByRole("button", { name: "Take back" }).click();
  await page.getByText("Left out by you: 1 file").waitFor();
  const there = await paths();
  check(!there.includes("Nachtzug/b.wav") && there.length === 3, `it was taken back, and there is ${there}`);
  await chooseFolder(page, session);
  await fill(page, FORM);
  const first = await submit(page);
  check(Object.keys(first).length === 3 && !first["Nachtzug/b.wav"], `submitted: ${Object.keys(first)}`);
  await page.getByText("Left out by you: Nachtzug/b.wav").waitFor();
  await page.getByText("Every file was compared with the one on your computer").waitFor();
  const address = await page.getByRole("link", { name: "Open the receipt" }).getAttribute("href");
  clean(page);

  await ask("return", { reasons: ["c is another song: leave it out", "d is cut off"] });
  await page.reload();
  await page.getByText("C is another song").waitFor();
  await page.getByRole("button", { name: "Submit to the studio" }).click();
  await page.getByText("Nothing has changed since you last submitted").waitFor();
  await (await row(page, "c.wav")).getByRole("button", { name: "Leave out" }).click();
  await eventually("c.wav was not taken out", async () => !(await paths()).includes("Nachtzug/c.wav"));
  // Mended, of the same length: only its time and its bytes tell.
  await lay(session, { "d.wav": wav(60_000, random) });
  await utimes(join(session, "d.wav"), 1_700_000_100, 1_700_000_100);
  await rm(join(session, "c.wav"));
  await chooseFolder(page, session);
  await unfold(page, /Changed or to be known/);
  await page.getByText("It replaces the one that was sent before.").waitFor();
  await arrived(page);
  const second = await submit(page);
  tell("receipt", { hashes: second });
  check(Object.keys(second).length === 2, `submitted again: ${Object.keys(second)}`);

  const printed = await context.newPage();
  await printed.goto(new URL(address, link).href);
  await printed.getByText("Left out by the sender").waitFor();
  await printed.getByText("What is here is what was there.").waitFor();
  clean(page);
  await context.close();
}

/**
 * A file is written again while it is sent, and nothing but its bytes tells, as its length and its time
 * are the same: what arrived is a mixture, which is found and sent again.
 */
export async function mixed({ link, home, session, random }) {
  await lay(session, { "Spur.wav": wav(12_000_000, random), "Text.txt": noise(900, random) });
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await network(page, 3e6);
  await chooseFolder(page, session);
  await until(page, 20);
  await lay(session, { "Spur.wav": wav(12_000_000, random) });
  await network(page, -1);
  await unfold(page, /Changed or to be known/);
  await page.getByText("It was changed on this computer while it was sent, so it is sent again.").waitFor();
  await arrived(page);
  await page.getByText("all checked").waitFor();
  await fill(page, FORM);
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await context.close();
}

/**
 * One file grows and one shrinks while they are sent. A browser that notices has them chosen again; one
 * that does not finds it by their bytes: in each, what arrives is what lies on the disk.
 */
export async function resized({ link, home, session, random }) {
  await lay(session, { "Länger.wav": wav(9_000_000, random), "Kürzer.wav": wav(9_000_000, random) });
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await network(page, 3e6);
  await chooseFolder(page, session);
  await until(page, 20);
  await writeFile(join(session, "Länger.wav"), wav(11_000_000, random));
  await writeFile(join(session, "Kürzer.wav"), wav(2_000_000, random));
  await network(page, -1);
  const done = page.locator(".progress.done");
  const lost = page.getByText(/files? (is|are) still to come/);
  await eventually("it does not end", async () => {
    if ((await lost.count()) > 0) await chooseFolder(page, session);
    return (await done.count()) > 0;
  });
  await arrived(page);
  await fill(page, FORM);
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await context.close();
}

/** Once the studio has accepted, the link says so, and has the receipt; it takes nothing any more. */
export async function accepted({ link, home, session, random }) {
  await lay(session, { "a.wav": wav(60_000, random) });
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await chooseFolder(page, session);
  await arrived(page);
  await fill(page, FORM);
  const sent = await submit(page);
  await ask("accept");
  await page.reload();
  await page.getByRole("heading", { name: "The studio has accepted your files" }).waitFor();
  check(JSON.stringify(await receipt(page)) === JSON.stringify(sent), "another receipt than before");
  check((await page.locator("#choose-files").count()) === 0, "files can still be chosen");
  check((await page.getByText("Upload with a program instead").count()) === 0, "other ways to upload are offered");
  await look(page, "9-accepted");
  const [printed] = await Promise.all([
    context.waitForEvent("page"),
    page.getByRole("link", { name: "Open the receipt" }).click(),
  ]);
  await printed.getByText("accepted by the studio").waitFor();
  clean(page);
  await context.close();
}

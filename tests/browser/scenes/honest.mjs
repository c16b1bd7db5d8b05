// What the page says must be so: behind a proxy that takes everything in at once, of a file that
// changes while it is being sent, and where the studio's checks cannot be asked.

import { writeFile } from "node:fs/promises";
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
  open,
  percent,
  submit,
  tell,
  until,
  visit,
  wav,
  withoutHandles,
} from "../studio.mjs";
import { proxy } from "../proxy.mjs";

const FORM = { song: "Nachtzug", artist: "Demo-Band" };

/**
 * A proxy takes every body at once and passes it on slowly. The page counts what the studio has
 * acknowledged: at no moment more than the studio has.
 */
export async function buffered({ link, home, session, data, random }) {
  const size = 14_000_000;
  await lay(session, { "a.wav": wav(size / 2, random), "b.wav": wav(size / 2, random) });
  const slow = await proxy(link, `${data}/tls`, Infinity, 2e6);
  const context = await open(home);
  const page = await visit(context, new URL(new URL(link).pathname, slow.base).href, withoutHandles);
  await chooseFolder(page, session);
  await page.locator(".progress").waitFor();
  let seen = 0;
  let middle = 0;
  while ((await page.locator(".progress.done").count()) === 0) {
    const shown = await percent(page).catch(() => undefined);
    if (shown === undefined) break;
    // Asked later than it was shown: it can only have become more.
    const has = (await ask("uploads")).reduce((sum, upload) => sum + Number(upload.offset), 0);
    check(shown <= Math.ceil((has / size) * 100), `${shown} % are shown, the studio has ${has} bytes`);
    seen += 1;
    if (shown > 0 && shown < 100) middle += 1;
  }
  check(middle > 2, `of ${seen} looks ${middle} were in the middle: the scene shows nothing`);
  check(slow.counts.ahead > 300_000, "the proxy never held anything back");
  await arrived(page);
  await fill(page, FORM);
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await context.close();
  slow.close();
}

/**
 * A file is written again while it is being sent, as by a program that still bounces: it is said,
 * nothing of it counts as here, and the new one starts again once it is chosen again.
 */
export async function changed({ link, home, session, random }) {
  await lay(session, { "Spur.wav": wav(16_000_000, random), "Text.txt": Buffer.from("x") });
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await network(page, 3e6);
  await chooseFolder(page, session);
  await until(page, 20);
  // The same length: nothing but its bytes and its time tells.
  await writeFile(join(session, "Spur.wav"), wav(16_000_000, random));
  await network(page, -1);
  const row = page.locator(".attention li", { hasText: "Spur.wav" });
  await row.getByText("It was changed, moved or renamed on this computer: choose it again.").first().waitFor();
  await page.getByText(/1 file is still to come/).waitFor();
  const uploads = async (name) => (await ask("uploads")).filter((upload) => upload.path.endsWith(name));
  check((await uploads("Spur.wav")).length === 0, "what had arrived of another file is still there");
  await fill(page, FORM);
  await page.getByRole("button", { name: "Submit to the studio" }).click();
  await page.getByText("Not submitted yet.").waitFor();

  // A file of one request changes in the middle of it: nothing is read of it any more that could fail.
  await network(page, 1e5);
  await lay(session, { "Kurz.wav": wav(600_000, random) });
  await page.setInputFiles("#choose-files", join(session, "Kurz.wav"));
  await eventually("Kurz.wav was not begun", async () => (await uploads("Kurz.wav")).length > 0);
  await writeFile(join(session, "Kurz.wav"), wav(600_000, random));
  await network(page, -1);
  await page.locator(".attention li", { hasText: "Kurz.wav" }).waitFor();
  const short = await uploads("Kurz.wav");
  check(short.length === 0, `a mixture of two files stayed: ${JSON.stringify(short)}`);
  await page.locator(".attention li", { hasText: "Kurz.wav" }).getByRole("button", { name: "Leave it out" }).click();

  await network(page, 6e6);
  await chooseFolder(page, session);
  await network(page, -1);
  await arrived(page);
  tell("receipt", { hashes: await submit(page) });
  check((await uploads("Spur.wav")).length === 1, "there is more than one of it");
  clean(page);
  await context.close();
}

/**
 * The studio's checks cannot be asked after the first files: that is said of the files they have not
 * seen, while the others are sent; and only when nothing else is left to send does the page wait.
 */
export async function unchecked({ link, home, session, random }) {
  // More than the first request to the checks takes, and one as large as the other: a folder is read in any order.
  const files = {};
  for (let n = 1; n <= 25; n += 1) files[`Take ${n}.wav`] = wav(300_000, random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, async (page) => {
    await withoutHandles(page);
    await page.addInitScript(() => {
      const ask = globalThis.fetch;
      let asked = 0;
      globalThis.fetch = (url, request) => {
        const gone = /\/preflight(\?|$)/.test(String(url)) && (asked += 1) > 1 && !globalThis.checksAreBack;
        return gone ? Promise.reject(new TypeError("connection refused")) : ask(url, request);
      };
    });
  });
  await network(page, 5e5);
  await chooseFolder(page, session);
  // Two requests are read for at once: the one of 16 files is asked first, or the one of 9.
  const hint = page.getByText(/^(9|16) files are not checked yet: the connection to the studio is interrupted\./);
  await hint.waitFor();
  const now = page.locator(".progress .now");
  const said = `${await now.textContent()} ${await page.title()}`;
  check(!/interrupted/.test(said) && / % · /.test(said), `while it sends: ${said}`);

  await network(page, -1);
  await now.getByText("The connection to the studio is interrupted.").waitFor();
  const title = await page.title();
  check(title.startsWith("Waiting"), `it waits, and its title is "${title}"`);
  check((await hint.count()) === 0, "it is said twice");

  await page.evaluate(() => (globalThis.checksAreBack = true));
  await arrived(page);
  await fill(page, FORM);
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await context.close();
}

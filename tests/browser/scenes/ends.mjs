// A proxy that refuses large bodies, and a person who has only a keyboard.

import {
  arrived,
  check,
  clean,
  fill,
  lay,
  open,
  submit,
  chooseFolder,
  tell,
  unfold,
  visit,
  wav,
  withoutHandles,
} from "../studio.mjs";
import { proxy } from "../proxy.mjs";

/** Requests shrink to what the proxy lets through, and next time they begin there. */
export async function narrow({ link, home, session, data, random }) {
  await lay(session, { "a.wav": wav(24_000_000, random), "b.wav": wav(5_000_000, random), "c.wav": wav(1000, random) });
  const tight = await proxy(link, `${data}/tls`, 2_500_000);
  const context = await open(home);
  const through = new URL(new URL(link).pathname, tight.base).href;
  const page = await visit(context, through, withoutHandles);
  await chooseFolder(page, session);
  await arrived(page);
  check(tight.counts.refused > 0, "the proxy refused nothing: the scene shows nothing");
  check(tight.counts.largest > 500_000, `the largest request had ${tight.counts.largest} bytes`);
  const refused = tight.counts.refused;
  await fill(page, { song: "Nachtzug", artist: "Demo-Band" });
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await page.close();

  await lay(session, { "d.wav": wav(16_000_000, random) });
  const again = await visit(context, through, withoutHandles);
  await unfold(again, "Something to add or to mend?");
  await chooseFolder(again, session);
  await again.locator(".progress").waitFor();
  await arrived(again);
  check(tight.counts.refused === refused, "it forgot what the proxy lets through");
  clean(again);
  await context.close();
  tight.close();
}

/** Every step by keyboard, on the narrowest screen: what has the focus is seen, nothing is out of reach. */
export async function keyboard({ link, home, session, random }) {
  await lay(session, { "a.wav": wav(60_000, random), "kaputt.wav": Buffer.from("RIFF nothing") });
  const context = await open(home, { viewport: { width: 360, height: 740 } });
  const page = await visit(context, link, withoutHandles);
  const focus = () =>
    page.evaluate(() => {
      const it = document.activeElement;
      return `${it.tagName} ${it.id || it.innerText}`.split("\n")[0].trim();
    });
  const tab = async (wanted, key = "Tab") => {
    const seen = [];
    for (let n = 0; n < 60; n += 1) {
      await page.keyboard.press(key);
      const now = await focus();
      if (now.includes(wanted)) {
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        check(outline !== "none", `${wanted}: the focus cannot be seen`);
        const { left, right, top, bottom } = await page.evaluate(() => document.activeElement.getBoundingClientRect());
        check(left >= 0 && right <= 360 && top < 740 && bottom > 0, `${wanted} is at ${[left, right, top, bottom]}`);
        return;
      }
      seen.push(now);
    }
    throw new Error(`${wanted} cannot be reached: ${seen.join(" | ")}`);
  };
  // Listened for early: the browser is told not to open a picker of its own.
  page.on("filechooser", () => {});
  await tab("Choose a folder");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await chooseFolder(page, session, chooser);
  await page.locator(".attention").waitFor();
  await tab("Leave it out");
  await page.keyboard.press("Enter");
  await arrived(page);
  await tab("field-song");
  await page.keyboard.type("Nachtzug");
  await tab("field-artist");
  await page.keyboard.type("Demo-Band");
  await tab("Submit to the studio");
  await page.keyboard.press("Enter");
  await page.locator("#receipt").waitFor();
  check((await focus()).includes("receipt"), "the focus is lost after submitting");
  await tab("Open the receipt");
  await tab("The files and their hashes");
  await page.keyboard.press("Enter");
  await page.locator(".hashes li").first().waitFor();
  clean(page);
  await context.close();
}

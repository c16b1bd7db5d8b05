// How the page looks and sounds: three widths, light and dark, each state it can be in. Nothing is
// wider than the screen, and axe finds nothing serious. Pictures go to $STEMVAULT_PICTURES, if set.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import {
  arrived,
  ask,
  check,
  chooseFolder,
  clean,
  fill,
  lay,
  network,
  leaveOut,
  noise,
  open,
  picture,
  submit,
  unfold,
  until,
  visit,
  wav,
  withoutHandles,
} from "../studio.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [360, 768, 1280];

/** How the page is at this moment, in every width and both colour schemes. */
export async function look(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(over <= 0, `${name} at ${width}: ${over} pixels too wide`);
      await picture(page, `${name}-${width}-${colorScheme}`);
    }
    await judge(page, `${name}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 768, height: 1000 });
}

async function judge(page, name) {
  // Through the debugger, as the page's policy lets no script in.
  const { violations } = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`);
  const grave = violations.filter((it) => it.impact === "serious" || it.impact === "critical");
  const said = grave.map((it) => `${it.id}: ${it.help} (${it.nodes.map((node) => node.html).slice(0, 3).join(" ")})`);
  check(grave.length === 0, `${name}: ${said.join("\n")}`);
}

export async function looks({ link, home, session, random }) {
  const files = {
    "Audio/Gitarren & Stimmen/Ein sehr langer Name, wie ihn ein Programm vergibt_bip_0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ-01.wav": wav(18_000_000, random),
    "Audio/Schlagzeug.wav": wav(12_000_000, random),
    "Audio/kaputt.wav": noise(40_000, random),
    "Audio/44.wav": wav(60_000, random, 44_100),
    "Texte/wer war's?.txt": noise(2000, random),
    "Texte/leer.txt": Buffer.alloc(0),
    ".DS_Store": noise(6148, random),
  };
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await look(page, "1-empty");
  await network(page, 1e6);
  await chooseFolder(page, session);
  await until(page, 8);
  await look(page, "2-uploading");
  await page.getByRole("button", { name: "Pause" }).click();
  for (const words of await page.locator("details.card > summary").allInnerTexts()) await unfold(page, words);
  await look(page, "3-paused-all-open");
  await network(page, -1, true);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("This computer is offline.").first().waitFor();
  await look(page, "4-offline");
  await network(page, -1);
  await page.getByRole("button", { name: "Submit to the studio" }).click();
  await page.getByText("Not submitted yet.").waitFor();
  await look(page, "5-missing");
  await leaveOut(page);
  await arrived(page);
  await fill(page, { song: "Nachtzug", artist: "Demo-Band" });
  await look(page, "6-arrived");
  await submit(page);
  await unfold(page, "The files and their hashes");
  await look(page, "7-receipt");
  await ask("return", { reasons: ["the snare is cut off: bounce it again from bar 1", "two sample rates: export everything at 48 kHz"] });
  await page.reload();
  await page.getByText("The studio needs something mended").waitFor();
  await look(page, "8-returned");
  clean(page);
  await context.close();
}

/**
 * A browser that asks for French gets it: the upload page, the receipt and a link that opens nothing, each
 * looked at as the others are.
 */
export async function french({ link, home, session, random }) {
  await lay(session, { "Audio/Batterie.wav": wav(60_000, random) });
  const context = await open(home, { locale: "fr-FR" });
  const page = await visit(context, link, withoutHandles);
  await page.getByRole("heading", { name: "À propos de la musique" }).waitFor();
  await chooseFolder(page, session);
  await page.locator(".progress.done", { hasText: "Remettez maintenant" }).waitFor();
  await fill(page, { song: "Train de nuit", artist: "Démo" });
  await isFrench(page, "the upload page");
  await look(page, "9-french");
  await page.getByRole("button", { name: "Remettre au studio" }).click();
  await page.getByRole("heading", { name: "C’est remis. Merci !" }).waitFor();
  await isFrench(page, "what it says after the submit");
  const receipt = await page.getByRole("link", { name: "Ouvrir le reçu" }).getAttribute("href");
  const paper = await context.newPage();
  await paper.goto(new URL(receipt, link).href);
  await isFrench(paper, "the receipt");
  await look(paper, "9-french-receipt");
  await paper.goto(`${link.slice(0, -3)}xyz`);
  await isFrench(paper, "a link that opens nothing");
  await look(paper, "9-french-nothing");
  clean(page);
  await context.close();
}

async function isFrench(page, what) {
  const lang = await page.evaluate(() => document.documentElement.lang);
  check(lang === "fr", `${what} is in ${lang}`);
  const text = await page.evaluate(() => `${document.title}\n${document.body.innerText}`);
  const english = text.match(/\b(the|your|files|was|were|submitted|arrived|receipt)\b/i);
  check(english === null, `${what} says "${english?.[0]}": ${text}`);
}

// From the folder to the receipt, and back: what a client does when nothing interrupts them, and, in a
// scene that needs little of a browser, when something does.

import { join } from "node:path";

import {
  arrived,
  ask,
  check,
  chooseFolder,
  clean,
  fill,
  lay,
  leaveOut,
  network,
  noise,
  open,
  percent,
  quick,
  receipt,
  submit,
  tell,
  until,
  visit,
  wav,
  withoutHandles,
} from "../studio.mjs";

/** A session as it lies on a Mac: sub-folders, names in all scripts, an empty file, junk. */
export function songs(random) {
  return {
    "Audio/Schlagzeug.wav": wav(3_000_000, random),
    "Audio/Gitarren & Stimmen/Akustik #1 (links) 100 %.wav": wav(700_000, random),
    // As a Mac writes an ö: o and two dots.
    "Audio/Gitarren & Stimmen/Stimme scho\u0308n.wav": wav(90_000, random),
    "Audio/ドラム/スネア.wav": wav(50_000, random),
    "Audio/ドラム/קיק + 🥁.wav": wav(50_000, random),
    "Notizen.txt": noise(1200, random),
    "one byte": Buffer.from("x"),
    ".DS_Store": noise(6148, random),
  };
}

/** Drops a folder, is asked for the form, submits; gets it back, mends a file, submits again. */
export async function folder({ link, home, session, random }) {
  const files = songs(random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await chooseFolder(page, session);
  await arrived(page);
  await page.getByText("Left out: 1 file that your computer made for itself").waitFor();

  await page.getByRole("button", { name: "Submit to the studio" }).click();
  const box = page.locator(".notice.bad", { hasText: "Not submitted yet" });
  await box.waitFor();
  check(await box.evaluate((box) => box === document.activeElement), "what is missing was not focused");
  await box.getByRole("link", { name: "Song" }).click();
  check(await page.locator("#field-song").evaluate((it) => it === document.activeElement), "no focus in the form");
  const form = { song: "Nachtzug", artist: "Demo-Band", notes: "Zeile 1\nZeile 2: «schön laut»" };
  await fill(page, form);
  await page.getByText("Saved.").waitFor();
  await box.waitFor({ state: "detached" });
  // Whoever leaves without submitting is asked.
  const asked = page.waitForEvent("dialog");
  void page.close({ runBeforeUnload: true });
  const dialog = await asked;
  check(dialog.type() === "beforeunload", "it can be left without a question");
  await dialog.dismiss();
  const hashes = await submit(page);
  check(await page.title().then((title) => title.startsWith("Submitted")), "the title does not say so");
  tell("receipt", { hashes, first: true });

  const [printable] = await Promise.all([
    context.waitForEvent("page"),
    page.getByRole("link", { name: "Open the receipt to print or keep" }).click(),
  ]);
  await printable.getByText("Zeile 2").waitFor();
  check((await printable.locator("tbody tr").count()) === Object.keys(files).length - 1, "rows of the receipt");
  await printable.close();
  clean(page);

  // The studio sends it back; the page, opened again, says why, and takes the mended file.
  await ask("return", { reasons: ["the snare is cut off: bounce it again from bar 1"] });
  await page.close();
  const again = await visit(context, link, withoutHandles);
  await again.getByText("The snare is cut off: bounce it again from bar 1.").waitFor();
  check((await again.locator("#field-song").inputValue()) === form.song, "the form was forgotten");
  const mended = { ...files, "Audio/ドラム/スネア.wav": wav(80_000, random) };
  await lay(session, { "Audio/ドラム/スネア.wav": mended["Audio/ドラム/スネア.wav"] });
  await chooseFolder(again, session);
  await again.locator("#receipt").waitFor({ state: "detached" }).catch(() => {});
  await arrived(again);
  const second = await submit(again);
  tell("receipt", { hashes: second, first: false });
  clean(again);
  await context.close();
}

/** Files one by one, dropped on the page; what the checks would send back stays until decided. */
export async function refused({ link, home, session, random }) {
  await lay(session, { "mix.mp3": noise(300_000, random), "a.wav": wav(60_000, random), "kaputt.wav": noise(60_000, random) });
  const context = await open(home);
  const page = await visit(context, link);
  const uploads = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url() === link) uploads.push(request.headers()["upload-metadata"]);
  });
  const dropped = await page.evaluateHandle(
    async (files) => {
      const transfer = new DataTransfer();
      for (const [name, bytes] of files) {
        const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
        transfer.items.add(new File([data], name, { lastModified: 1_700_000_000_123 }));
      }
      return transfer;
    },
    [
      ["a.wav", wav(60_000, random).toString("base64")],
      ["kaputt.wav", noise(60_000, random).toString("base64")],
      ["leer.wav", ""],
    ],
  );
  await page.dispatchEvent("main", "drop", { dataTransfer: dropped });
  const attention = page.locator(".attention");
  await attention.locator(".file", { hasText: "kaputt.wav" }).waitFor();
  await page.locator(".progress.done").waitFor();
  const sent = uploads.map((metadata) => Buffer.from(/filename ([^,]*)/.exec(metadata)[1], "base64").toString());
  check(!sent.includes("kaputt.wav"), `uploaded before it was decided: ${sent}`);

  await fill(page, { song: "Nachtzug", artist: "Demo-Band" });
  await page.getByRole("button", { name: "Submit to the studio" }).click();
  await page.getByText(/your decision on \d file/).waitFor();
  await attention.getByRole("button", { name: "Send anyway kaputt.wav" }).click();
  await attention.locator(".file", { hasText: "kaputt.wav" }).waitFor({ state: "detached" });
  await leaveOut(page);
  await arrived(page);
  await page.getByRole("button", { name: "Submit to the studio" }).click();
  const box = page.locator(".notice.bad");
  await Promise.race([box.waitFor(), page.locator("#receipt").waitFor()]);
  tell("said", { text: (await box.count()) > 0 ? await box.innerText() : await receipt(page) });
  clean(page);
  await context.close();
}

/**
 * The server dies and comes back, the page is loaded again in the middle, the folder is chosen again:
 * the receipt lists every file as it is here, and the studio pulls them.
 */
export async function through({ link, home, session, random }) {
  const files = { "Spur 1.wav": wav(20_000_000, random), "Notizen zu «Ö».txt": noise(900, random) };
  for (let n = 2; n <= 11; n += 1) files[`Takes/Spur ${n}.wav`] = wav(1_500_000, random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await network(page, 6e6);
  await chooseFolder(page, session);
  await until(page, 15 + random() * 10);
  await ask("kill9");
  await page.locator(".progress .now").getByText(/interrupted|not available/).waitFor();
  const before = await percent(page);
  await ask("start");
  await until(page, before + 10);

  await page.reload();
  quick();
  const rest = page.getByText(/files? (is|are) still to come/);
  await rest.waitFor();
  const there = await ask("uploads");
  check(there.some((upload) => Number(upload.offset) > 0), "nothing had arrived when it was loaded again");
  await chooseFolder(page, session);
  await arrived(page);
  await fill(page, { song: "Nachtzug", artist: "Demo-Band" });
  tell("receipt", { hashes: await submit(page) });
  const now = await ask("uploads");
  const begun = there.filter((upload) => Number(upload.offset) > 0).map((upload) => upload.id);
  const kept = new Set(now.map((upload) => upload.id));
  check(begun.every((id) => kept.has(id)), "what had been begun was begun again");
  clean(page);
  await context.close();
  await ask("pull");
}

// Interrupted at seeded points: by the server's death, the network, the person, the browser's death.

import {
  arrived,
  ask,
  check,
  chooseFolder,
  clean,
  eventually,
  fill,
  kill,
  lay,
  open,
  percent,
  network,
  quick,
  submit,
  tell,
  until,
  visit,
  wav,
  withoutHandles,
} from "../studio.mjs";

/** Bytes a second. */
const RATE = 6e6;
const FORM = { song: "Nachtzug", artist: "Demo-Band" };

/** Some large files and many small ones, 36 MB in all. */
function long(random) {
  const files = {};
  for (let n = 1; n <= 3; n += 1) files[`Spur ${n}.wav`] = wav(9_000_000 + Math.floor(random() * 1e6), random);
  for (let n = 1; n <= 60; n += 1) files[`Takes/Take ${n}.wav`] = wav(100_000, random);
  return files;
}

/** `count` points in percent, ascending, away from both ends. */
function points(random, count) {
  const step = 70 / count;
  return Array.from({ length: count }, (_, n) => Math.round(10 + n * step + random() * step * 0.8));
}

/** kill -9 and restart, offline and online, pause and resume: the page goes on by itself. */
export async function shaken({ link, home, session, random }) {
  await lay(session, long(random));
  const context = await open(home);
  const page = await visit(context, link, async (page) => {
    await withoutHandles(page);
    await page.addInitScript(() => {
      globalThis.awake = [];
      const release = async () => awake.push("let go");
      // Not in the empty page that was there before.
      if (navigator.wakeLock) navigator.wakeLock.request = async (what) => (awake.push(what), { release });
    });
  });
  await network(page, RATE);
  await chooseFolder(page, session);
  const shocks = [
    async () => {
      await ask("kill9");
      await page.locator(".progress .now").getByText(/interrupted|not available/).waitFor();
      const title = await page.title();
      check(title.startsWith("Waiting"), `it waits, and its title is "${title}"`);
      await ask("start");
    },
    async () => {
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByText("Paused.").first().waitFor();
      const awake = await page.evaluate(() => globalThis.awake);
      check(awake[0] === "screen" && awake.at(-1) === "let go", `kept awake: ${awake}`);
      const before = await percent(page);
      // Nothing moves in as long as it would have taken to move visibly.
      await page.waitForTimeout(1500);
      check((await percent(page)) <= before + 1, "bytes flowed while it was paused");
      await page.getByRole("button", { name: "Go on" }).click();
    },
    async () => {
      await network(page, -1, true);
      await page.getByText("This computer is offline.").first().waitFor();
      await network(page, RATE);
    },
  ];
  let last = 0;
  for (const [n, point] of points(random, 3).entries()) {
    await until(page, point);
    await shocks[n]();
    const now = await percent(page);
    check(now >= last, `from ${last} % back to ${now} %`);
    last = now;
  }
  await arrived(page);
  await fill(page, FORM);
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await context.close();
}

/**
 * The tab is closed in the middle; the link is opened again and the folder chosen again, for files
 * that are too large for the browser to keep copies of.
 */
export async function closed({ link, home, session, random }) {
  const files = { "Mitten.txt": Buffer.from("x") };
  for (const name of ["Spur 1.wav", "Spur 2.wav"]) files[name] = wav(40_000_000, random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, withoutHandles);
  await network(page, 12e6);
  await chooseFolder(page, session);
  await fill(page, { song: FORM.song });
  // Early: what has left the browser is still on its way.
  await until(page, 10 + random() * 12);
  // As a person does who does not wait: without being asked.
  await page.close({ runBeforeUnload: false });
  quick();
  const before = await ask("uploads");
  const missing = before.filter((upload) => Number(upload.offset) < Number(upload.length));
  check(missing.length > 0, "it was closed too late: everything had arrived");

  const again = await visit(context, link, withoutHandles);
  check((await again.locator("#field-song").inputValue()) === FORM.song, "the form was forgotten");
  await again.getByText(/files? (is|are) still to come/).waitFor();
  const sent = watch(again, link);
  await chooseFolder(again, session);
  await arrived(again);
  await fill(again, { artist: FORM.artist });
  tell("receipt", { hashes: await submit(again) });
  const kept = before.reduce((sum, upload) => sum + Number(upload.offset), 0);
  tell("resumed", { kept, sent: sent() });
  clean(again);
  await context.close();
}

/** Bytes of bodies that a page sends from now on. */
function watch(page, link) {
  let bytes = 0;
  page.on("requestfinished", async (request) => {
    const upload = request.method() === "PATCH" || (request.method() === "POST" && request.url() === link);
    if (upload) bytes += Number((await request.allHeaders())["content-length"] ?? 0);
  });
  return () => bytes;
}

/** Waits until the browser has copies of all small files that have not arrived, and a list with them. */
async function copied(page, paths) {
  const large = 16 << 20;
  await eventually("not every small file that is to come has been copied", async () => {
    const here = (await ask("uploads")).filter((upload) => upload.offset === upload.length);
    const kept = await page.evaluate(async (large) => {
      const { copies, uploads } = await globalThis.stored("stemvault", ["copies", "uploads"]);
      const list = uploads.flatMap((kept) => kept.items).filter((item) => item.size > large);
      return [...copies, ...list].map((file) => file.path);
    }, large);
    const safe = new Set([...kept, ...here.map((upload) => upload.path)]);
    return paths.every((path) => safe.has(path));
  });
}

/** Waits until the page remembers which files are to come, and where they lie. */
function remembered(page) {
  return eventually("the page remembers nothing", async () => {
    const { uploads } = await page.evaluate(() => globalThis.stored("stemvault", ["uploads"]));
    return uploads.some((kept) => kept.items.length > 0 && kept.roots.length === 1);
  });
}

/** Makes the stores of the page's databases readable in it: `stored(database, stores)`. */
function readableStores(page) {
  return page.addInitScript(() => {
    const answer = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    globalThis.stored = async (name, stores) => {
      const database = await answer(indexedDB.open(name));
      try {
        const read = (store) => answer(database.transaction(store).objectStore(store).getAll());
        return Object.fromEntries(await Promise.all(stores.map(async (store) => [store, await read(store)])));
      } finally {
        database.close();
      }
    };
  });
}

/**
 * The whole browser dies and comes back. Small files come back by themselves, as the browser kept
 * copies; the large one is asked for.
 */
export async function copies({ link, home, session, random }) {
  const files = long(random);
  delete files["Spur 2.wav"];
  delete files["Spur 3.wav"];
  files["Spur 1.wav"] = wav(20_000_000, random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, async (page) => {
    await withoutHandles(page);
    await readableStores(page);
  });
  await network(page, 3e6);
  await chooseFolder(page, session);
  await until(page, 25);
  // Hardly anything moves while it is waited for what the browser writes in its own time.
  await network(page, 1);
  await copied(page, Object.keys(files).map((path) => `Nachtzug/${path}`));
  kill(home);
  await context.close().catch(() => {});

  quick();
  const second = await open(home);
  const again = await visit(second, link, withoutHandles);
  await again.getByText("1 file is still to come").waitFor();
  await chooseFolder(again, session);
  await arrived(again);
  await fill(again, FORM);
  tell("receipt", { hashes: await submit(again) });
  clean(again);
  await second.close();
}

/** The page is left in the middle and opened again: the copies of small files outlive it, and go on unasked. */
export async function left({ link, home, session, random }) {
  const files = {};
  for (let n = 1; n <= 14; n += 1) files[`Take ${n}.wav`] = wav(300_000, random);
  await lay(session, files);
  const context = await open(home);
  const page = await visit(context, link, async (page) => {
    await withoutHandles(page);
    await readableStores(page);
  });
  page.on("dialog", (dialog) => dialog.accept());
  await network(page, 1e5);
  await chooseFolder(page, session);
  await copied(page, Object.keys(files).map((path) => `Nachtzug/${path}`));
  for (let times = 0; times < 2; times += 1) {
    await page.reload();
    await page.locator(".progress").waitFor();
  }
  await network(page, -1);
  await arrived(page);
  await fill(page, FORM);
  tell("receipt", { hashes: await submit(page) });
  clean(page);
  await context.close();
}

/**
 * The same in a browser with handles: it goes on with nothing asked. The origin's private files
 * stand for a folder of the disk, as nobody can click in a picker of the system here; their handles
 * are kept and opened again in the same way.
 */
export async function handles({ link, home, random }) {
  const seed = Math.floor(random() * 1e9);
  const folder = () => {
    globalThis.showDirectoryPicker = async () => {
      const root = await navigator.storage.getDirectory();
      return root.getDirectoryHandle("Nachtzug", { create: true });
    };
  };
  const context = await open(home);
  const page = await visit(context, link, async (page) => {
    await page.addInitScript(folder);
    await readableStores(page);
  });
  await page.evaluate(async (seed) => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle("Nachtzug", { create: true });
    const audio = await root.getDirectoryHandle("Audio", { create: true });
    for (let n = 0; n < 12; n += 1) {
      const file = await (n % 2 ? audio : root).getFileHandle(`Spur ${n}.bin`, { create: true });
      const writer = await file.createWritable();
      const bytes = new Uint32Array(n === 0 ? 5_000_000 : 200_000);
      let state = seed + n;
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      await writer.write(bytes);
      await writer.close();
    }
  }, seed);
  await network(page, 4e6);
  await page.getByRole("button", { name: "Choose a folder" }).click();
  await until(page, 20);
  await remembered(page);
  const before = await ask("uploads");
  kill(home);
  await context.close().catch(() => {});

  quick();
  const second = await open(home);
  const again = await visit(second, link, (page) => page.addInitScript(folder));
  await arrived(again);
  await fill(again, FORM);
  const hashes = await submit(again);
  check(Object.keys(hashes).length === 12, `${Object.keys(hashes).length} files of 12`);
  const after = await ask("uploads");
  const largest = (list) => list.filter((upload) => upload.length === "20000000").map((upload) => upload.id);
  check(largest(before).length === 1, "the large file was not begun");
  check(String(largest(before)) === String(largest(after)), "the large file was begun again");
  clean(again);
  await second.close();
}

// The browsers of the scenes, as Debian has them: Chromium, driven by CDP, Firefox, driven by WebDriver
// BiDi, and WebKit, driven by WebDriver. What differs in how they are driven is here and nowhere else.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { chromium, firefox } from "playwright-core";

import { webkit } from "./webkit.mjs";

/** Which browser plays the scene. */
export const ENGINE = process.env.STEMVAULT_ENGINE ?? "chromium";

/** How Chromium is started. */
export const CHROMIUM = {
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

const ENGINES = {
  chromium: {
    type: chromium,
    options: CHROMIUM,
    named: (home) => `--user-data-dir=${home}`,
    // A network that is down is no mistake of the page.
    harmless: /Failed to load resource|net::ERR/,
  },
  firefox: {
    type: firefox,
    options: {
      executablePath: "/usr/bin/firefox-esr",
      channel: "moz-firefox",
      firefoxUserPrefs: {
        // One that was killed comes back with an empty window, and is never asked whether it is well.
        "browser.sessionstore.resume_from_crash": false,
        "toolkit.startup.max_resumed_crashes": -1,
      },
    },
    named: (home) => `--profile ${home}`,
    harmless: /NS_ERROR_|favicon\.ico/,
  },
  webkit: {
    type: webkit,
    options: { executablePath: "/usr/bin/WebKitWebDriver" },
    named: (home) => `--home=${home}`,
    // It does not know a word of our policy, and says so.
    harmless: /Failed to load resource|Unrecognized Content-Security-Policy directive 'manifest-src'/,
  },
};

const engine = ENGINES[ENGINE];

/** Whether a complaint of the console is none about the page. */
export const isHarmless = (text) => engine.harmless.test(text);

/** A browser with a memory: what it stores lies in `home`. */
export async function launch(home, options) {
  const { executablePath } = engine.options;
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is not installed: ./tests/run does it`);
  await mkdir(home, { recursive: true });
  return engine.type.launchPersistentContext(home, { ...engine.options, ignoreHTTPSErrors: true, ...options });
}

/** Ends a browser as a power cut does. */
export function kill(home) {
  // The browser that has this home folder, and no other; with all that it has started.
  const found = (...words) => {
    try {
      return execFileSync("pgrep", words).toString().trim().split("\n");
    } catch {
      return [];
    }
  };
  const pids = found("-f", "--", engine.named(home));
  for (const pid of pids) pids.push(...found("-P", pid));
  for (const pid of pids) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It went with its parent.
    }
  }
}

/** Chooses a folder; `chooser`, if the browser has asked for one. */
export async function chooseFolder(page, folder, chooser) {
  if (ENGINE === "chromium") return chooser ? chooser.setFiles(folder) : page.setInputFiles("#choose-folder", folder);
  return chooseAsFolder(page, folder);
}

/**
 * Gives the input of the folder the files of a folder where the driver can choose files only: the
 * files are those of the disk, chosen in an input of ours, and get the paths that a folder gives them.
 */
async function chooseAsFolder(page, folder) {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  await page.evaluate(() => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", multiple: true, hidden: true, id: "stand-in" });
    document.body.append(input);
  });
  await page.setInputFiles("#stand-in", names);
  const paths = names.map((name) => name.slice(dirname(folder).length + 1));
  const given = await page.evaluate((paths) => {
    const input = document.getElementById("stand-in");
    const files = [...input.files];
    input.remove();
    files.forEach((file, n) => Object.defineProperty(file, "webkitRelativePath", { value: paths[n] }));
    const target = document.getElementById("choose-folder");
    Object.defineProperty(target, "files", { value: files, configurable: true });
    target.dispatchEvent(new Event("change", { bubbles: true }));
    delete target.files;
    return files.map((file) => file.name);
  }, paths);
  const wanted = names.map((name) => basename(name));
  if (String(given) !== String(wanted)) throw new Error(`chosen: ${given}\nwanted: ${wanted}`);
}

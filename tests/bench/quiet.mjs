// Chromium driven by the few commands that a measurement takes. Playwright hears of every request of a
// page: where thousands of small ones are measured, that costs the browser more than sending them.

import { spawn } from "node:child_process";

import { CHROMIUM } from "../browser/engines.mjs";

const LOOK = 200;

export class Quiet {
  #browser;
  #last = 0;
  #patience;
  #session;
  #asked = new Map();

  /** A browser whose home is an empty folder. */
  constructor(home, patience) {
    const { executablePath, args } = CHROMIUM;
    const words = ["--headless=new", "--window-size=768,1000", "--remote-debugging-pipe", `--user-data-dir=${home}`, "--ignore-certificate-errors"];
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    this.#browser = spawn(executablePath, [...args, ...words, "about:blank"], { stdio });
    this.#patience = patience;
    let rest = "";
    this.#browser.stdio[4].setEncoding("utf8").on("data", (text) => {
      const parts = (rest + text).split("\0");
      rest = parts.pop();
      for (const part of parts) this.#hear(JSON.parse(part));
    });
  }

  #hear({ id, result, error }) {
    const waiting = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }

  #ask(method, params = {}, sessionId = this.#session) {
    const id = (this.#last += 1);
    const answered = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    this.#browser.stdio[3].write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    return answered;
  }

  /** A page on `link`, in which `script` runs first. */
  async open(link, script) {
    const { targetId } = await this.#ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#ask("Target.attachToTarget", { targetId, flatten: true });
    this.#session = sessionId;
    await this.#ask("Page.enable");
    await this.#ask("Page.addScriptToEvaluateOnNewDocument", { source: `(${script})();` });
    await this.#ask("Page.navigate", { url: link });
  }

  async evaluate(what) {
    const words = { expression: `(${what})()`, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#ask("Runtime.evaluate", words);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(what) {
    const end = performance.now() + this.#patience;
    while (!(await this.evaluate(what).catch(() => false))) {
      if (performance.now() > end) throw new Error(`never: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  }

  /** Gives an input files or a folder. */
  async choose(css, ...files) {
    const { result } = await this.#ask("Runtime.evaluate", { expression: `document.querySelector("${css}")` });
    await this.#ask("DOM.setFileInputFiles", { files, objectId: result.objectId });
  }

  /** Drops files or folders onto the page, as a person does from a window of their files. */
  async drop(...files) {
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await this.#ask("Input.dispatchDragEvent", { type, x: 380, y: 400, data });
    }
  }

  async close() {
    const gone = new Promise((resolve) => this.#browser.on("exit", resolve));
    this.#browser.kill("SIGTERM");
    await gone;
  }
}

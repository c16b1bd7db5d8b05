// WebKit as Debian has it, driven by WebDriver: as much of a context and a page as the scenes use of
// Playwright's, under the same names. No console while it happens (`listen` reads it), no keyboard, no
// way to be offline.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const WINDOW = fileURLToPath(new URL("window.py", import.meta.url));
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
/** How often is looked whether something has come true, in milliseconds. */
const LOOK = 25;

let screen;

/** A screen that nobody sees, for all windows of the scene: its number. */
async function display() {
  const server = spawn("setpriv", ["--pdeathsig", "KILL", "Xvfb", "-displayfd", "3", "-screen", "0", "1600x2200x24"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const [number] = await once(server.stdio[3], "data");
  return `:${String(number).trim()}`;
}

/** A port that nobody has. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A window of WebKit with a memory in `home`, and the driver that it hangs on. */
class Context {
  #base;
  #driver;
  #tabs = [];
  #now;
  #patience = 30_000;

  constructor(home, viewport) {
    this.home = home;
    this.viewport = viewport;
  }

  static async launch(home, { viewport }) {
    screen ??= display();
    await mkdir(home, { recursive: true });
    const context = new Context(home, viewport);
    const port = await freePort();
    context.#base = `http://127.0.0.1:${port}`;
    const env = { ...process.env, DISPLAY: await screen, HOME: home, GDK_BACKEND: "x11" };
    context.#driver = spawn("setpriv", ["--pdeathsig", "KILL", "WebKitWebDriver", `--port=${port}`], {
      env,
      stdio: "ignore",
    });
    for (;;) {
      try {
        await context.call("GET", "/status");
        return context;
      } catch (error) {
        if (context.#driver.exitCode !== null || error.said) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    }
  }

  setDefaultTimeout(patience) {
    this.#patience = patience;
  }

  async setOffline(offline) {
    if (offline) throw new Error("WebKit cannot be told that it is offline");
  }

  async newPage() {
    const page = new Page(this);
    this.#tabs.push(page);
    return page;
  }

  pages() {
    return this.#tabs;
  }

  /** Opens the window of a page, with the scripts that run before its own. */
  async begin(page, scripts) {
    await writeFile(`${this.home}/init.js`, scripts.join("\n"));
    if (this.session === undefined) {
      const browserOptions = { binary: "/usr/bin/setpriv", args: ["--pdeathsig", "KILL", WINDOW, `--home=${this.home}`] };
      const alwaysMatch = {
        browserName: "MiniBrowser",
        acceptInsecureCerts: true,
        unhandledPromptBehavior: "accept",
        "webkitgtk:browserOptions": browserOptions,
      };
      const { sessionId } = await this.call("POST", "/session", { capabilities: { alwaysMatch } });
      this.session = `/session/${sessionId}`;
      await this.call("POST", `${this.session}/timeouts`, { script: this.#patience, pageLoad: this.#patience });
      page.handle = await this.call("GET", `${this.session}/window`);
    } else {
      page.handle = (await this.call("POST", `${this.session}/window/new`, { type: "tab" })).handle;
    }
    await this.of(page, "POST", "/window/rect", this.viewport);
  }

  /** A command about a page. */
  async of(page, method, path, body) {
    if (this.#now !== page.handle) await this.call("POST", `${this.session}/window`, { handle: page.handle });
    this.#now = page.handle;
    return this.call(method, this.session + path, body);
  }

  async call(method, path, body) {
    const answer = await fetch(this.#base + path, {
      method,
      ...(method === "POST" && { body: JSON.stringify(body ?? {}) }),
    });
    const { value } = await answer.json();
    if (answer.ok) return value;
    throw Object.assign(new Error(`${method} ${path}: ${value.error}: ${value.message}`), { said: value.error });
  }

  /** Tries until something other than nothing comes back. */
  async until(said, look) {
    const end = performance.now() + this.#patience;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (performance.now() > end) throw new Error(`${said}: not in ${this.#patience} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  }

  gone(page) {
    this.#tabs = this.#tabs.filter((it) => it !== page);
    this.#now = undefined;
  }

  async close() {
    this.#tabs = [];
    // Of one that was killed nothing is left to be told.
    if (this.session) await this.call("DELETE", this.session).catch(() => {});
    this.#driver.kill("SIGKILL");
  }
}

class Page {
  #context;
  #scripts = [];
  #console = [];
  #read = 0;

  constructor(context) {
    this.#context = context;
  }

  context() {
    return this.#context;
  }

  on(event, hear) {
    if (event === "console") this.#console.push(hear);
  }

  /** Hears what the console has said since it was listened last. */
  listen() {
    const log = readFileSync(`${this.#context.home}/console.log`);
    const lines = log.subarray(this.#read).toString().split("\n");
    this.#read = log.length;
    for (const text of lines) {
      const said = /^CONSOLE \S+ ERROR (.*)|^CONSOLE ERROR (.*)/.exec(text);
      if (said) for (const hear of this.#console) hear({ type: () => "error", text: () => said[1] ?? said[2] });
    }
  }

  async addInitScript(script, argument) {
    this.#scripts.push(`(${script})(${JSON.stringify(argument) ?? ""});`);
  }

  async goto(address) {
    if (this.handle === undefined) await this.#context.begin(this, this.#scripts);
    await this.of("POST", "/url", { url: address });
  }

  of(method, path, body) {
    return this.#context.of(this, method, path, body);
  }

  async reload() {
    await this.of("POST", "/refresh");
  }

  async close() {
    await this.of("DELETE", "/window");
    this.#context.gone(this);
  }

  title() {
    return this.of("GET", "/title");
  }

  async screenshot({ path }) {
    writeFileSync(path, Buffer.from(await this.of("GET", "/screenshot"), "base64"));
  }

  waitForTimeout(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  async evaluate(what, ...given) {
    const said = await this.of("POST", "/execute/async", {
      script: `const [given, end] = arguments;
        Promise.resolve().then(() => (${what})(...given)).then((value) => end({ value }), (error) => end({ error: String(error) }));`,
      args: [given],
    });
    if (said.error !== undefined) throw new Error(said.error);
    return said.value;
  }

  waitForFunction(what, argument) {
    return this.#context.until(String(what), () => this.evaluate(what, argument));
  }

  async setInputFiles(css, names) {
    const element = await this.locator(css).element("attached");
    await this.of("POST", `/element/${element}/value`, { text: [names].flat().join("\n") });
  }

  locator(css, options) {
    return new Locator(this, []).locator(css, options);
  }

  getByText(text) {
    return new Locator(this, []).getByText(text);
  }

  getByRole(role, options) {
    return new Locator(this, []).getByRole(role, options);
  }
}

class Locator {
  #page;
  #steps;

  constructor(page, steps) {
    this.#page = page;
    this.#steps = steps;
  }

  #with(step) {
    return new Locator(this.#page, [...this.#steps, step]);
  }

  locator(css, { hasText } = {}) {
    return this.#with({ css, text: pattern(hasText) });
  }

  getByText(text) {
    return this.#with({ css: "*", text: pattern(text), innermost: true });
  }

  getByRole(role, { name, level } = {}) {
    const css = { button: "button, [role=button]", link: "a[href]", heading: level ? `h${level}` : "h1, h2, h3, h4" }[role];
    return this.#with({ css, text: pattern(name) });
  }

  first() {
    return this.nth(0);
  }

  nth(number) {
    return this.#with({ nth: number });
  }

  evaluateAll(what, ...given) {
    return this.#page.evaluate(`(steps, ...given) => (${what})((${find})(steps), ...given)`, this.#steps, ...given);
  }

  async count() {
    return this.evaluateAll((found) => found.length);
  }

  waitFor({ state = "visible" } = {}) {
    const holds = `(found, state) => state === "detached" ? found.length === 0
      : found.some((it) => state === "attached" || it.getClientRects().length > 0)`;
    const said = `${JSON.stringify(this.#steps)} is not ${state}`;
    return this.#page.context().until(said, () => this.evaluateAll(holds, state));
  }

  /** The driver's name of the element. */
  async element(state) {
    await this.waitFor({ state });
    const script = `return (${find})(arguments[0])[0]`;
    return (await this.#page.of("POST", "/execute/sync", { script, args: [this.#steps] }))[ELEMENT];
  }

  async evaluate(what, ...given) {
    await this.waitFor({ state: "attached" });
    return this.evaluateAll(`([found], ...given) => (${what})(found, ...given)`, ...given);
  }

  async click() {
    await this.#page.of("POST", `/element/${await this.element()}/click`);
  }

  async fill(text) {
    const element = await this.element();
    await this.#page.of("POST", `/element/${element}/clear`);
    await this.#page.of("POST", `/element/${element}/value`, { text });
  }

  innerText() {
    return this.evaluate((found) => found.innerText);
  }

  textContent() {
    return this.evaluate((found) => found.textContent);
  }

  inputValue() {
    return this.evaluate((found) => found.value);
  }
}

/** Text as the scenes give it, as a pattern that can travel. */
function pattern(text) {
  if (text === undefined) return undefined;
  if (text instanceof RegExp) return { source: text.source, flags: text.flags };
  return { source: text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), flags: "i" };
}

/** In the page: what the steps lead to. */
function find(steps) {
  let found = [document.documentElement];
  for (const { css, text, innermost, nth } of steps) {
    if (nth !== undefined) {
      found = found.slice(nth, nth + 1);
      continue;
    }
    found = [...new Set(found.flatMap((it) => [...(innermost ? [it] : []), ...it.querySelectorAll(css)]))];
    if (text === undefined) continue;
    const wanted = new RegExp(text.source, text.flags);
    found = found.filter((it) => wanted.test(it.textContent.replace(/\s+/g, " ").trim()));
    if (innermost) found = found.filter((it) => !found.some((other) => other !== it && it.contains(other)));
  }
  return found;
}

/** As Playwright's engines have it. */
export const webkit = { launchPersistentContext: (home, options) => Context.launch(home, options) };

// Proves that what the server has is what lies on this disk: reads every file once more after it has
// arrived and compares it with the server's hash. In the background, one at a time, by a worker; where
// everything is there soon, after that.
//
// Promises: a file is called checked when the server has confirmed the hash that was read here. What
// differs, or cannot be read any more, is handed back to the one who sends.

import { Refused, type Link } from "./api";
import type { Reading } from "./hashing";
import type { Item } from "./items";
import { pass } from "./looking";
import { backOff } from "./pure/trouble";

/** What is heard of it. */
export interface Proven {
  /** What arrived is not the file, which has so many bytes now. */
  differs(item: Item, size: number): void;
  /** The file cannot be read any more as it was. */
  unreadable(item: Item): void;
  /** Whether everything that is to be sent is there soon. */
  soon(): boolean;
  /** Something else about a check has changed. */
  changed(): void;
  /** Asks the server for its list, and takes it in. */
  refresh(): Promise<void>;
}

const WORKER = "hashing.js";
/** Hashes that one request tells the server at most. */
const TOLD = 256;

/** How long it waits before it looks again whether everything is there, in milliseconds. */
const LOOK = 250;

/** After the last file, in milliseconds, before the server is told. */
const QUIET = 500;

/** The hash of a file here, for an upload. */
interface Told {
  item: Item;
  upload: string;
  hash: string;
}

export class Proving {
  private worker: Worker | undefined;
  private waiting: Item[] = [];
  private running = false;
  private answer: ((reading: Reading) => void) | undefined;
  private ends: (() => void)[] = [];
  private last: Promise<unknown> = Promise.resolve();
  private readonly same: Told[] = [];
  private telling: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly link: Link,
    private readonly heard: Proven,
  ) {
    try {
      // An entry of its own beside this one: the server gives it a policy of its own, as it needs WASM.
      this.worker = new Worker(new URL(/* @vite-ignore */ WORKER, import.meta.url), { type: "module" });
      this.worker.addEventListener("message", (event: MessageEvent<Reading>) => this.answer?.(event.data));
      this.worker.addEventListener("error", () => {
        // One that did not come up answers nothing, ever.
        this.worker = undefined;
        this.answer?.("unavailable");
      });
    } catch {
      this.worker = undefined;
    }
  }

  /** Compares these, which have arrived, with the files. */
  check(items: Item[]): void {
    for (const item of items) {
      // A copy says nothing of the disk.
      item.check = item.copy || item.file === undefined ? undefined : "due";
      if (item.check === "due") this.waiting.push(item);
    }
    if (!this.running) void this.run();
  }

  /** Waits for what is under way; false if nothing is. */
  async settled(): Promise<boolean> {
    if (!this.running && this.same.length === 0 && this.telling === undefined) return false;
    if (this.running) await new Promise<void>((resolve) => this.ends.push(resolve));
    await this.telling;
    await this.tell();
    return true;
  }

  /** Reads a file as it is now. */
  read(file: File): Promise<Reading> {
    const reading = this.last.then(() => {
      if (this.worker === undefined) return "unavailable" as const;
      return new Promise<Reading>((resolve) => {
        this.answer = resolve;
        this.worker!.postMessage(file);
      });
    });
    this.last = reading;
    return reading;
  }

  private async run(): Promise<void> {
    this.running = true;
    let look = 0;
    while (this.waiting.length > 0) {
      // Reading for this holds up sending where a processor is the limit; it is as good after that.
      if (performance.now() >= look) {
        while (this.heard.soon()) await new Promise((resolve) => setTimeout(resolve, LOOK));
        look = performance.now() + LOOK;
      }
      const item = this.waiting.shift()!;
      const { file } = item;
      const due = () => item.stage === "here" && item.check === "due" && item.file === file;
      if (file === undefined || !due()) continue;
      const reading = await this.read(file);
      if (!due()) continue;
      if (reading === "unavailable") {
        item.check = "unable";
      } else if (reading === "unreadable") {
        this.heard.unreadable(item);
      } else {
        await this.compare(item, reading, due);
      }
      if (this.same.length >= TOLD) await this.tell();
      this.heard.changed();
    }
    this.running = false;
    // Small files arrive many a second: they are told of together.
    this.timer ??= setTimeout(() => void this.tell(), QUIET);
    for (const end of this.ends.splice(0)) end();
  }

  private async compare(item: Item, reading: { size: number; hash: string }, due: () => boolean): Promise<void> {
    // Its answer got lost on the way, or it was sent from somewhere else.
    if (item.hash === undefined) await this.untilAnswered(() => this.heard.refresh());
    if (!due()) return;
    if (item.hash === undefined || item.upload === undefined) item.check = "unable";
    else if (item.hash === reading.hash) this.same.push({ item, upload: item.upload, hash: reading.hash });
    else this.heard.differs(item, reading.size);
  }

  private tell(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const told = this.same.splice(0);
    if (told.length === 0) return Promise.resolve();
    const telling = Promise.all([this.telling, this.ask(told)]).then(() => {
      if (this.telling === telling) this.telling = undefined;
      this.heard.changed();
    });
    return (this.telling = telling);
  }

  /** Asks the server which of these are its own. */
  private async ask(told: Told[]): Promise<void> {
    const files = Object.fromEntries(told.map(({ upload, hash }) => [upload, hash]));
    const answer = await this.untilAnswered(() => this.link.checked(files));
    const confirmed = new Set(answer?.checked);
    for (const { item, upload } of told) {
      if (item.upload !== upload || item.check !== "due") continue;
      item.check = confirmed.has(upload) ? "same" : "unable";
    }
  }

  /** Asks for as long as it takes; nothing if the answer is no. */
  private async untilAnswered<T>(ask: () => Promise<T>): Promise<T | undefined> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.trouble.kind !== "wait") return undefined;
        await pass(backOff(tries, error.trouble.after));
      }
    }
  }
}

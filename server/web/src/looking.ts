// Preflight: sends the beginning of every file to the studio's own checks before the file itself.
// Nothing is judged here.

import { Refused, type Link, type Looked } from "./api";
import type { Item } from "./items";
import { batches, frames, weight, type Head } from "./pure/framing";
import { backOff } from "./pure/trouble";

/** What is heard of it. */
export interface LookedAt {
  /** What the checks said of these. */
  looked(items: Item[], answer: Looked): void;
  /** The studio did not look at these; they are sent all the same, submitting checks them. */
  unlooked(items: Item[]): void;
  /** The file cannot be read any more. */
  unreadable(item: Item): void;
  /** It cannot go on for the moment, or it can again. */
  trouble(text: string | undefined): void;
}

const FILES = 256;
const BYTES = 16 << 20;

export class Looking {
  private waiting: Item[] = [];
  private running = false;
  private bytes = BYTES;

  constructor(
    private readonly link: Link,
    private readonly head: number,
    private readonly heard: LookedAt,
  ) {}

  look(items: Item[]): void {
    this.waiting.push(...items);
    if (!this.running) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      const weigh = (item: Item) => weight(item.size, this.head, item.path);
      const list = this.waiting;
      this.waiting = [];
      for (const batch of batches(list, weigh, FILES, this.bytes)) await this.ask(batch);
    }
    this.running = false;
  }

  private async ask(batch: Item[]): Promise<void> {
    const heads: Head[] = [];
    const read: Item[] = [];
    for (const item of batch) {
      // Replaced or taken out meanwhile.
      if (item.stage !== "looking" || item.file === undefined) continue;
      try {
        const bytes = new Uint8Array(await item.file.slice(0, this.head).arrayBuffer());
        heads.push({ path: item.path, size: item.size, bytes });
        read.push(item);
      } catch {
        this.heard.unreadable(item);
      }
    }
    if (read.length === 0) return;
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await this.link.preflight(frames(heads));
        this.heard.trouble(undefined);
        this.heard.looked(read, answer);
        return;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        const { kind, text, after } = error.trouble;
        // A conflict is one with the order, which takes nothing: the uploads will be told.
        const wait = kind === "wait" && error.status !== 409;
        this.heard.trouble(wait ? text : undefined);
        if (wait) {
          await pass(backOff(tries, after));
        } else if ((kind === "smaller" || error.status === 413) && read.length > 1) {
          this.bytes = Math.max(2 * this.head, Math.floor(this.bytes / 2));
          const half = Math.ceil(read.length / 2);
          await this.ask(read.slice(0, half));
          await this.ask(read.slice(half));
          return;
        } else {
          this.heard.unlooked(read);
          return;
        }
      }
    }
  }
}

/** So many seconds, or until the connection is back. */
export function pass(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener("online", done);
  });
}

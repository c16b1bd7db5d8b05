// Preflight: sends the beginning of every file to the studio's own checks before the file itself, first
// as little as most headers take, then as much as the checks can use where they say that this was too
// little. Nothing is judged here.

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
/** What is sent of a file first: the beginning of a small one is most of it, and would go twice. */
const FIRST = 4096;
/** Requests under way: while one is answered the next one's files are read. */
const LANES = 2;
/** Files that are read at once: the page answers in between. */
const READS = 32;

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
    const first = Math.min(FIRST, this.head);
    while (this.waiting.length > 0) {
      const list = this.waiting;
      this.waiting = [];
      const queue = batches(list, (item) => weight(item.size, first, item.path), FILES, this.bytes);
      const lane = async () => {
        for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) await this.deepen(batch, first);
      };
      await Promise.all(Array.from({ length: LANES }, lane));
    }
    this.running = false;
  }

  /** Asks with so many bytes of each, and again with more of those of which more is worth it. */
  private async deepen(batch: Item[], bytes: number): Promise<void> {
    const more = await this.ask(batch, bytes);
    for (const part of batches(more, (item) => weight(item.size, this.head, item.path), FILES, this.bytes, FILES)) {
      await this.ask(part, this.head);
    }
  }

  /** The items of which the checks want to see more. */
  private async ask(batch: Item[], bytes: number): Promise<Item[]> {
    const heads: Head[] = [];
    const read: Item[] = [];
    const begin = async (item: Item) => {
      // Replaced or taken out meanwhile.
      if (item.stage !== "looking" || item.file === undefined) return;
      try {
        const { file } = item;
        // A part is another thing for the browser to keep track of.
        const part = item.size > bytes ? file.slice(0, bytes) : file;
        const start = new Uint8Array(await part.arrayBuffer()).subarray(0, Math.min(bytes, item.size));
        heads.push({ path: item.path, size: item.size, bytes: start });
        read.push(item);
      } catch {
        this.heard.unreadable(item);
      }
    };
    for (let at = 0; at < batch.length; at += READS) await Promise.all(batch.slice(at, at + READS).map(begin));
    if (read.length === 0) return [];
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await this.link.preflight(frames(heads));
        this.heard.trouble(undefined);
        const unknown = new Set(answer.files.filter(({ known }) => known !== "header").map(({ path }) => path));
        const isShort = (item: Item) => bytes < Math.min(this.head, item.size) && unknown.has(item.path);
        this.heard.looked(read.filter((item) => !isShort(item)), answer);
        return read.filter(isShort);
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
          return [...(await this.ask(read.slice(0, half), bytes)), ...(await this.ask(read.slice(half), bytes))];
        } else {
          this.heard.unlooked(read);
          return [];
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

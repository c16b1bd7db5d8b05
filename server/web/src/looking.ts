// Preflight: sends the beginning of every file to the studio's own checks before the file itself, first
// as little as most headers take, then as much as the checks can use where they say that this was too
// little. Files that were looked at in several requests are compared in one more, by their names and by
// what the answers said of them. Nothing is judged here.

import { Refused, type Link, type Looked, type Scope, type Seen } from "./api";
import { compare, hear, isComing, type Item } from "./items";
import { keyOf } from "./pure/match";
import { batches, frames, weight, type Head } from "./pure/framing";
import { backOff } from "./pure/trouble";

/** Takes in an answer: about each of these, or about all beside each other; what may be sent now. */
export type Take = (items: readonly Item[], answer: Looked) => Item[];

/** What is heard of it. */
export interface LookedAt {
  /** What the checks said of these, and how it is taken in. */
  looked(items: Item[], answer: Looked, take: Take): void;
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
/** How often all are asked about together. */
const TRIES = 5;

export class Looking {
  private waiting: Item[] = [];
  private running = false;
  private bytes = BYTES;
  /** Files that were looked at, by their keys, with what has to be known of them to compare them. */
  private readonly known = new Map<string, { item: Item; seen?: Seen | undefined }>();
  /** Some were looked at and not compared with the others. */
  private apart = false;

  constructor(
    private readonly link: Link,
    private readonly head: number,
    private readonly heard: LookedAt,
    /** So many files can be compared; none by a server that does not say so. */
    private readonly most = 0,
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
      const scope = this.most > 0 && (queue.length > 1 || this.others(list)) ? "part" : undefined;
      const lane = async () => {
        for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) await this.deepen(batch, first, scope);
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      if (this.waiting.length === 0 && this.apart) await this.together();
    }
    this.running = false;
  }

  /** Whether more is to come than these. */
  private others(list: Item[]): boolean {
    const these = new Set(list.map(({ key }) => key));
    return [...this.known.values()].some(({ item }) => isComing(item) && !these.has(item.key));
  }

  /** Asks with so many bytes of each, and again with more of those of which more is worth it. */
  private async deepen(batch: Item[], bytes: number, scope?: Scope): Promise<void> {
    const more = await this.ask(batch, bytes, scope);
    for (const part of batches(more, (item) => weight(item.size, this.head, item.path), FILES, this.bytes, FILES)) {
      await this.ask(part, this.head, this.most > 0 ? "part" : undefined);
    }
  }

  /** Asks about all of them beside each other. What cannot be asked now is found when it is submitted. */
  private async together(): Promise<void> {
    this.apart = false;
    const all = [...this.known.values()].filter(({ item }) => isComing(item));
    if (all.length < 2 || all.length > this.most) return;
    const none = new Uint8Array();
    const body = frames(all.map(({ item: { path, size }, seen }) => ({ path, size, bytes: none, seen })));
    const items = all.map(({ item }) => item);
    for (let tries = 0; tries < TRIES; tries += 1) {
      try {
        this.heard.looked(items, await this.link.preflight(body, "together"), compare);
        return;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.trouble.kind !== "wait") return;
        await pass(backOff(tries, error.trouble.after));
      }
    }
  }

  /** The items of which the checks want to see more. */
  private async ask(batch: Item[], bytes: number, scope?: Scope): Promise<Item[]> {
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
    // Looked at or not, its name is there.
    for (const item of read) this.known.set(item.key, { item });
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await this.link.preflight(frames(heads), scope);
        this.heard.trouble(undefined);
        this.apart ||= scope === "part";
        const said = new Map(answer.files.map(({ path, seen }) => [keyOf(path), seen ?? undefined]));
        for (const item of read) this.known.set(item.key, { item, seen: said.get(item.key) });
        const unknown = new Set(answer.files.filter(({ known }) => known !== "header").map(({ path }) => path));
        const isShort = (item: Item) => bytes < Math.min(this.head, item.size) && unknown.has(item.path);
        this.heard.looked(read.filter((item) => !isShort(item)), answer, hear);
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
          const scope = this.most > 0 ? "part" : undefined;
          return [...(await this.ask(read.slice(0, half), bytes, scope)), ...(await this.ask(read.slice(half), bytes, scope))];
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

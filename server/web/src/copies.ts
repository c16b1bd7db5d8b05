// Copies of small files that are still to come, for browsers that cannot open a file again by
// themselves: a closed or killed browser has them when the link is opened again.
//
// Promises: a copy is written whole or not at all, and goes when the server has the file or the
// person leaves it out, never because a page is left. It is kept as plain bytes: a browser may
// forget the time of a File that it stores, or take its bytes away with its entry.

import { work } from "./kept";
import type { Item } from "./items";
import type { Picked } from "./pick";
import type { Roots } from "./roots";

/** The largest file that is copied, and all copies together, in bytes. */
const LARGEST = 16 << 20;
const ALL = 512 << 20;
const KEPT_FOR = 14 * 86_400_000;
/** Nobody knows at first how long it takes; it is looked at again after so long, in milliseconds. */
const FIRST = 5000;
const LOOK = 2000;
/** What goes into one write at most. */
const AT_ONCE = { bytes: 8 << 20, files: 100 };

interface Copy {
  path: string;
  modified: number;
  at: number;
  bytes: ArrayBuffer;
}

export class Copies {
  /** By key: the bytes of what is copied. */
  private readonly kept = new Map<string, number>();
  private readonly gone = new Set<string>();
  private waiting: Item[] = [];
  private running = false;

  /** `link`: as the memory names it. `soon`: whether everything that is to be sent is there soon. */
  constructor(
    private readonly link: string,
    private readonly soon: () => boolean,
  ) {}

  /** What a closed browser left here. */
  async load(): Promise<Picked[]> {
    // Those of an older page, which kept them elsewhere.
    indexedDB.deleteDatabase("uppy-blobs");
    const keys = (await work("copies", "readonly", (store) => store.getAllKeys())) ?? [];
    const picks: Picked[] = [];
    for (const [link, key] of keys as [string, string][]) {
      const copy = await work<Copy | undefined>("copies", "readonly", (store) => store.get([link, key]));
      if (copy === undefined) continue;
      if (copy.at + KEPT_FOR < Date.now()) {
        await work("copies", "readwrite", (store) => store.delete([link, key]));
      } else if (link === this.link) {
        this.kept.set(key, copy.bytes.byteLength);
        const file = new File([copy.bytes], copy.path.split("/").at(-1)!, { lastModified: copy.modified });
        picks.push({ path: copy.path, file, copy: true });
      }
    }
    return picks;
  }

  /**
   * Copies these as long as they are to come; from the first of `roots` on, with which the browser
   * opens the files again by itself, no more.
   */
  keep(items: Item[], roots: Roots): void {
    if (roots.some) return this.end();
    this.waiting.push(...items);
    // At first nobody knows how long it takes.
    setTimeout(() => this.run(), FIRST);
  }

  /** This one need not be kept any more. */
  drop(key: string): void {
    if (!this.kept.delete(key)) return;
    this.gone.add(key);
    this.run();
  }

  private end(): void {
    this.waiting = [];
    for (const key of [...this.kept.keys()]) this.drop(key);
  }

  private run(): void {
    if (this.running) return;
    this.running = true;
    void this.write().finally(() => (this.running = false));
  }

  private async write(): Promise<void> {
    while (this.waiting.length + this.gone.size > 0) {
      // On a good line the files are there before their copies: reading them twice only holds up both.
      const worth = !this.soon();
      const gone = [...this.gone];
      this.gone.clear();
      const copies = worth ? await this.some() : new Map<string, Copy>();
      if (gone.length + copies.size === 0) {
        if (!worth) await this.later();
        continue;
      }
      await work("copies", "readwrite", (store) => {
        for (const key of gone) store.delete([this.link, key]);
        for (const [key, copy] of copies) store.put(copy, [this.link, key]);
        return store.count();
      });
    }
  }

  /** Looks again at what is still to come. */
  private async later(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    this.waiting = this.waiting.filter(({ stage }) => stage !== "here" && stage !== "left");
  }

  /** The next ones, read. */
  private async some(): Promise<Map<string, Copy>> {
    const copies = new Map<string, Copy>();
    let bytes = 0;
    let all = [...this.kept.values()].reduce((sum, length) => sum + length, 0);
    while (this.waiting.length > 0 && bytes < AT_ONCE.bytes && copies.size < AT_ONCE.files) {
      const item = this.waiting.shift()!;
      const { key, path, file, size } = item;
      const done = () => item.file !== file || item.copy || item.stage === "here" || item.stage === "left";
      if (file === undefined || done() || size > LARGEST || all + size > ALL) continue;
      try {
        const copy = { path, modified: file.lastModified, at: Date.now(), bytes: await file.arrayBuffer() };
        // Sent, taken out or replaced while it was read.
        if (done()) continue;
        copies.set(key, copy);
        this.gone.delete(key);
        this.kept.set(key, copy.bytes.byteLength);
        bytes += copy.bytes.byteLength;
        all += copy.bytes.byteLength;
      } catch {
        // Not readable at the moment: whoever sends it says so.
      }
    }
    return copies;
  }
}

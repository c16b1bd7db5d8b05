// A file that turned out to be another than what was sent of it: what has arrived goes, and it is sent
// again as it is now. One that changes again and again waits for the person.

import type { Link } from "./api";
import type { Engine } from "./engine";
import type { Reading } from "./hashing";
import { modifiedOf, type Item } from "./items";
import { takeBack } from "./leaving";
import { hasChanged } from "./pick";
import type { Proving } from "./proving";
import { say } from "./pure/messages";

/** How often in a row a file is sent again by itself. */
const ANEW = 3;
/** A file that has grown is copied up to here; a larger one has to be chosen again. */
const COPIED = 64 << 20;

/** What is heard of it. */
export interface Renewed {
  /** This is to be sent as it is now. */
  look(item: Item): void;
  /** This has to be chosen again. */
  lost(item: Item): void;
  changed(): void;
}

export class Renewing {
  constructor(
    private readonly link: Link,
    private readonly engine: Engine,
    private readonly proving: Proving,
    private readonly heard: Renewed,
  ) {}

  /** `size`: what it has now, if that is known. */
  async renew(item: Item, size?: number): Promise<void> {
    const times = item.differed + 1;
    Object.assign(item, { stage: "looking", another: true, check: undefined, differed: times });
    this.engine.withdraw(item.key);
    this.heard.changed();
    const refused = await takeBack(this.link, new Set([item.key]), false);
    // Left out or replaced meanwhile.
    const gone = () => item.stage !== "looking";
    if (gone()) return;
    item.upload = item.hash = undefined;
    Object.assign(item, { acknowledged: 0, replaces: [] });
    const file = refused.size > 0 ? undefined : await this.fresh(item, size);
    if (gone()) return;
    if (file === undefined) return this.heard.lost(item);
    const note = item.sealed ? say("note-replaces") : say("note-changed-while");
    Object.assign(item, { file, size: file.size, modified: modifiedOf(file), note, sealed: false });
    if (times < ANEW) return this.heard.look(item);
    Object.assign(item, { stage: "failed", note: say("note-keeps-changing"), differed: 0 });
    this.heard.changed();
  }

  /** A browser that compares times says so when it begins to read: what it read before may be of two files. */
  async unreadable(item: Item): Promise<void> {
    if (item.file !== undefined && (await hasChanged(item.file))) return this.renew(item);
    item.check = "unable";
    this.heard.changed();
  }

  /**
   * The file as it is now. Where the browser cannot open it again, the File that we have still shows
   * the bytes as they are, but counts them as they were: it is cut, or copied, to the new length.
   * Nothing if the person has to choose it again.
   */
  private async fresh(item: Item, size?: number): Promise<File | undefined> {
    const { file, again } = item;
    try {
      if (again !== undefined) return await again();
      if (file === undefined) return undefined;
      const now = size ?? sizeOf(await this.proving.read(file));
      if (now === undefined) return undefined;
      if (now === file.size) return file;
      const part = now < file.size ? file.slice(0, now) : now <= COPIED ? await file.arrayBuffer() : undefined;
      return part && new File([part], file.name, { lastModified: file.lastModified });
    } catch {
      return undefined;
    }
  }
}

function sizeOf(reading: Reading): number | undefined {
  return typeof reading === "string" ? undefined : reading.size;
}

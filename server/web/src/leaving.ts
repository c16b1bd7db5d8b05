// Leaves files out, and takes back what has arrived of them: only what the server says is gone is gone.

import { Refused, type Link, type State } from "./api";
import type { Copies } from "./copies";
import type { Engine } from "./engine";
import { leaveOut, type Item, type Items, type Stage } from "./items";
import { pass } from "./looking";
import { keyOf, type Upload } from "./pure/match";
import { backOff } from "./pure/trouble";
import { sentence } from "./pure/words";

/** When a request that was under way has surely arrived or not, in milliseconds. */
const LATE = 3000;
/** How many are taken back at once. */
const AT_ONCE = 6;

export class Leaving {
  constructor(
    private readonly link: Link,
    private readonly items: Items,
    private readonly engine: Engine,
    private readonly copies: Copies,
    private readonly changed: () => void,
  ) {}

  /** Leaves files out; what the server refuses stays as it was, with its sentence. */
  async leave(list: readonly Item[]): Promise<void> {
    const before = new Map<Item, Stage>();
    for (const item of list) {
      if (item.stage === "leaving" || item.stage === "left") continue;
      this.engine.withdraw(item.key);
      before.set(item, item.stage);
      item.stage = "leaving";
    }
    this.changed();
    const refused = await takeBack(this.link, new Set([...before.keys()].map(({ key }) => key)));
    for (const [item, stage] of before) {
      // Replaced meanwhile.
      if (item.stage !== "leaving") continue;
      const no = refused.get(item.key);
      if (no === undefined) {
        leaveOut(item);
        this.copies.drop(item.key);
        if (stage === "sending") setTimeout(() => void this.lookAgain(), LATE);
      } else {
        item.stage = stage === "sending" ? "queued" : stage;
        item.note = sentence(no);
      }
    }
    this.changed();
  }

  /** Takes back what arrived after all, as its request was under way when it was left out. */
  async late(state: State): Promise<void> {
    const there = new Set(state.uploads.filter((upload) => upload.state !== "sealed").map(({ path }) => keyOf(path)));
    const late = this.out.filter(({ key }) => there.has(key)).map(({ key }) => key);
    if (late.length > 0) await takeBack(this.link, new Set(late), false);
  }

  private async lookAgain(): Promise<void> {
    try {
      await this.late(await this.link.state());
    } catch (error) {
      // Before submitting it is looked at again.
      if (!(error instanceof Refused)) throw error;
    }
  }

  /** What the person has left out. */
  get out(): Item[] {
    return [...this.items.values()].filter(({ stage, junk }) => stage === "left" && !junk);
  }
}

/** Whether an upload can be taken back: what the studio has not looked at yet stays submitted. */
function isFree(upload: Upload, open: boolean): boolean {
  return upload.state !== "sealed" || open;
}

/**
 * Removes everything that the server has of these paths, by key, and asks until it says that it is
 * gone, however long that takes. What it refuses comes back, with its sentence. `returned`: also
 * what is in a session that the studio has returned.
 */
export async function takeBack(link: Link, keys: ReadonlySet<string>, returned = true): Promise<Map<string, string>> {
  const refused = new Map<string, string>();
  for (let tries = 0; ; tries += 1) {
    try {
      const { uploads, session } = await link.state();
      const open = returned && session?.review.state === "returned";
      const there = uploads.filter((upload) => {
        const key = keyOf(upload.path);
        return keys.has(key) && !refused.has(key) && isFree(upload, open);
      });
      if (there.length === 0) return refused;
      while (there.length > 0) {
        await Promise.all(there.splice(0, AT_ONCE).map((upload) => remove(link, upload, refused)));
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.trouble.kind !== "wait") {
        for (const key of keys) refused.set(key, error.trouble.text);
        return refused;
      }
      await pass(backOff(tries, error.trouble.after));
    }
  }
}

async function remove(link: Link, upload: Upload, refused: Map<string, string>): Promise<void> {
  try {
    await link.remove(upload.id);
  } catch (error) {
    if (!(error instanceof Refused) || error.trouble.kind === "wait") throw error;
    refused.set(keyOf(upload.path), error.trouble.text);
  }
}

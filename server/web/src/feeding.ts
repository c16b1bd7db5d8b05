// Gives the engine files to send, as many as it wants, in the order in which they are to go.

import type { Link } from "./api";
import type { Engine, Load } from "./engine";
import { next, type Items } from "./items";

/** What it asks of the one who knows the whole. */
export interface Fed {
  /** Whether anything may be sent now. */
  may(): boolean;
  /** Something is given to the engine. */
  feeds(): void;
}

export class Feeding {
  /** What there was to send, and was not wanted, when the engine was fed last. */
  private rest = { small: false, large: false };
  private later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly link: Link,
    private readonly items: Items,
    private readonly engine: Engine,
    private readonly told: Fed,
  ) {}

  /** A file is done: there may be room for what was not wanted before. */
  goOn(): void {
    // After whoever says so is done with it.
    this.later ??= setTimeout(() => {
      this.later = undefined;
      const { small, large } = this.engine.room;
      if ((small > 0 && this.rest.small) || (large > 0 && this.rest.large)) this.feed();
    }, 0);
  }

  /** Looks at everything that is to be sent. */
  feed(): void {
    if (!this.told.may()) return;
    const now = performance.now();
    const { room } = this.engine;
    this.rest = { small: false, large: false };
    const { ready, later } = next(this.items, now, (key) => this.engine.has(key));
    const loads: Load[] = [];
    for (const item of ready) {
      const kind = item.upload === undefined && this.engine.isSmall(item.size) ? "small" : "large";
      if (room[kind] <= 0) {
        this.rest[kind] = true;
        continue;
      }
      room[kind] -= 1;
      // Before submitting it is asked again whether they went.
      for (const id of item.replaces.splice(0)) this.link.remove(id).catch(() => {});
      const url = item.upload === undefined ? undefined : `${this.link.address}/${item.upload}`;
      const { key, path, file, modified } = item;
      loads.push({ key, path, file: file!, modified: modified!, url });
    }
    if (loads.length > 0) this.told.feeds();
    this.engine.feed(loads);
    if (later < Infinity) setTimeout(() => this.feed(), later - now);
  }
}

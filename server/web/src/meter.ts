// How fast an upload goes and how long it takes, as it is shown.

import type { Items, Totals } from "./items";
import { Pace, Steady } from "./pure/pace";

export class Meter {
  private readonly pace = new Pace();
  private readonly steady = new Steady();

  /** So many bytes were acknowledged. */
  add(bytes: number): void {
    this.pace.add(bytes, performance.now());
  }

  /** Bytes flow from now on. */
  resume(): void {
    this.pace.resume(performance.now());
  }

  /** None do. */
  stop(): void {
    this.pace.stop();
  }

  /** Bytes a second, and seconds left for what can be sent, as far as they are known. */
  read(items: Items, totals: Totals): { rate?: number | undefined; left?: number | undefined } {
    const now = performance.now();
    let rest = totals.bytes - totals.acknowledged;
    for (const item of items.values()) if (item.stage === "absent") rest -= item.size - item.acknowledged;
    return { rate: this.pace.rate(now), left: this.steady.show(this.pace.left(rest, now), now) };
  }
}

// How fast an upload goes and how long it takes, as it is shown.

import type { Items, Totals } from "./items";
import { Pace, Steady } from "./pure/pace";

/** Seconds until everything is there in which whatever can wait does. */
const SOON = 30;

/** Bytes a second, and seconds left for what can be sent, as far as they are known. */
export interface Measured {
  rate?: number | undefined;
  left?: number | undefined;
}

/** Whether everything that can be sent is there soon. */
export function isSoon({ left }: Measured): boolean {
  return left !== undefined && left < SOON;
}

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

  /** `flows`: whether bytes do at the moment. */
  measure(flows: boolean, items: Items, totals: Totals): Measured {
    if (!flows) {
      this.stop();
      return {};
    }
    const now = performance.now();
    let rest = totals.bytes - totals.acknowledged;
    for (const item of items.values()) if (item.stage === "absent") rest -= item.size - item.acknowledged;
    return { rate: this.pace.rate(now), left: this.steady.show(this.pace.left(rest, now), now) };
  }
}

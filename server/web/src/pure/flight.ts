// How much may be under way at once in requests that are answered as a whole: as much as the line
// holds, found by trying. More under way brings more a second until the line, the server or this
// computer is full; from there on it only waits longer.

const MIB = 1 << 20;
const LEAST = MIB / 4;
const MOST = 32 * MIB;
/** A second's worth on a poor line; on a good one it doubles with every answer to all of it. */
const START = MIB;
/** What a request costs whatever is in it, in bytes. */
const REQUEST = 4096;
/** A larger flight is worth it if it brings so many times as much. */
const WORTH = 1.1;
/** Rounds between two tries of another size. */
const REST = 8;

/** What a file counts. */
export function weight(bytes: number): number {
  return bytes + REQUEST;
}

/** The size of the flight, in bytes. A round is the answers to as much as is under way. */
export class Flight {
  private size = START;
  /** The size before this one, while another one is tried, and what it brought a millisecond. */
  private before: { size: number; rate: number } | undefined;
  private growing = true;
  private rounds = 0;
  private up = true;
  private seen = 0;
  private since: number | undefined;
  private idle = false;

  /** Bytes that may be under way. */
  get bytes(): number {
    return this.size;
  }

  /** Something is sent. Times are milliseconds of a monotonic clock. */
  sent(now: number): void {
    this.since ??= now;
  }

  /** Less is under way than could be: what this round brings says nothing of the line. */
  wanting(): void {
    this.idle = true;
  }

  /** A file of so much weight has arrived. */
  arrived(weight: number, now: number): void {
    this.seen += weight;
    if (this.seen < this.size || this.since === undefined) return;
    const rate = this.seen / Math.max(1, now - this.since);
    if (!this.idle) this.judge(rate);
    this.again(now);
  }

  /** Requests broke off: less is risked, and from there it is tried anew. */
  broke(): void {
    this.set(this.size / 2);
    this.growing = false;
    this.before = undefined;
    this.rounds = 0;
    this.again(undefined);
  }

  private again(since: number | undefined): void {
    this.since = since;
    this.seen = 0;
    this.idle = false;
  }

  private set(size: number): void {
    this.size = Math.min(MOST, Math.max(LEAST, size));
  }

  private judge(rate: number): void {
    const { before } = this;
    if (this.growing) {
      if (before === undefined || rate > before.rate * WORTH) return this.attempt(2, rate);
      this.growing = false;
      // The line is full somewhere between the two.
      return this.back(before.size * 1.25);
    }
    if (before !== undefined) {
      if (this.up && rate > before.rate * WORTH) {
        this.growing = true;
        return this.attempt(2, rate);
      }
      // Less that brings as much is better: files are whole sooner.
      if (this.up || rate < before.rate * 0.97) this.back(before.size);
      this.up = !this.up;
      this.before = undefined;
      this.rounds = 0;
    } else if ((this.rounds += 1) >= REST) {
      this.attempt(this.up ? 1.5 : 0.75, rate);
    }
  }

  private attempt(factor: number, rate: number): void {
    this.before = { size: this.size, rate };
    this.set(this.size * factor);
  }

  private back(size: number): void {
    this.set(size);
    this.before = undefined;
    this.rounds = 0;
  }
}

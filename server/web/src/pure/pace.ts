// How fast bytes arrive, and how long the rest takes. Counts what the server has acknowledged, never
// what merely left this machine: a router's buffer is not the studio.

/** How far back it looks, in milliseconds. */
const WINDOW = 40_000;
/** Nothing is said of the time left before this much of it has been seen. */
const FIRST = 4_000;
/** After so long without a byte nothing is said of it any more. */
const SILENT = 30_000;

/** Bytes over time. Times are milliseconds of a monotonic clock. */
export class Pace {
  private samples: { at: number; bytes: number }[] = [];
  private since: number | undefined;
  private smooth: number | undefined;
  private looked = 0;
  /** When the last bytes were acknowledged. */
  private heard = -Infinity;

  /** Bytes flow from now on; if they did not before (a pause, an outage), that time is no part. */
  resume(now: number): void {
    if (this.since !== undefined) return;
    this.since = now;
    this.samples = [];
  }

  /** No bytes flow. What was learned of the speed stays until they flow again. */
  stop(): void {
    this.since = undefined;
  }

  /** The server has acknowledged bytes. */
  add(bytes: number, now: number): void {
    this.resume(now);
    this.samples.push({ at: now, bytes });
    this.heard = now;
  }

  /** Bytes per second, or nothing yet. */
  rate(now: number): number | undefined {
    if (this.since === undefined) return this.smooth;
    const from = Math.max(this.since, now - WINDOW);
    this.samples = this.samples.filter((sample) => sample.at > from);
    const span = now - from;
    // A line that falls silent gets slower all the while; one that has only begun to flow is as it was before.
    if (span < FIRST || this.heard < this.since) return this.smooth;
    const bytes = this.samples.reduce((sum, sample) => sum + sample.bytes, 0);
    const seen = (bytes / span) * 1000;
    // Weighs what is new by the time that has passed, so that asking often changes nothing.
    const keep = this.smooth === undefined ? 0 : Math.exp(-(now - this.looked) / 15_000);
    this.smooth = keep * (this.smooth ?? 0) + (1 - keep) * seen;
    this.looked = now;
    return this.smooth;
  }

  /** Seconds until so many bytes have arrived, or nothing yet. */
  left(bytes: number, now: number): number | undefined {
    const rate = this.rate(now);
    const silent = now - Math.max(this.since ?? now, this.heard);
    return rate === undefined || rate < 1 || silent > SILENT ? undefined : bytes / rate;
  }
}

/** Holds a time left still: it changes when it is really another one, not with every wind. */
export class Steady {
  private shown: { seconds: number; at: number } | undefined;

  /** The seconds to show, of those that were computed. */
  show(seconds: number | undefined, now: number): number | undefined {
    if (seconds === undefined) return (this.shown = undefined);
    if (this.shown !== undefined) {
      const expected = Math.max(0, this.shown.seconds - (now - this.shown.at) / 1000);
      const off = Math.abs(seconds - expected);
      if (off <= Math.max(10, expected * 0.2)) return expected;
    }
    this.shown = { seconds, at: now };
    return seconds;
  }
}

// How many bytes a request carries. Each answer acknowledges what its request brought, so requests
// are cut to last a few seconds: progress is honest then, and a proxy that buffers or limits
// bodies is met half-way. Only what a proxy refuses is remembered.

const MIB = 1 << 20;
/** Requests never grow beyond this. */
export const CEILING = 256 * MIB;
/** A proxy that refuses even this cannot be helped by smaller requests. */
export const SMALLEST_CAP = MIB;
/** On slow lines requests shrink to this by themselves. */
const FLOOR = MIB / 4;
/** How long a request should take, in milliseconds. */
const TARGET = 3000;
/** So many requests in a row must get through before one is tried again of a size that broke off. */
const HELD = 16;

/** The size of the next requests. */
export class RequestSize {
  private size: number;
  /** Requests of twice this broke off: a proxy that refuses a body may cut the line before its answer is heard. */
  private safe = CEILING;
  private held = 0;

  /** `cap`: what a proxy on this way was found to let through. */
  constructor(private limit: number = CEILING) {
    this.limit = Math.min(CEILING, Math.max(SMALLEST_CAP, limit));
    // What every proxy lets through as it comes.
    this.size = MIB;
  }

  /** Bytes that the next request may carry. */
  get bytes(): number {
    return this.size;
  }

  /** What a proxy lets through, as far as known. */
  get cap(): number {
    return this.limit;
  }

  /** A request of so many bytes was acknowledged after so many milliseconds. */
  took(bytes: number, ms: number): void {
    // The last bytes of a file say little about the line.
    if (bytes < this.size * 0.9) return;
    this.held += 1;
    if (this.held % HELD === 0) this.safe = Math.min(CEILING, this.safe * 2);
    const wanted = (bytes / Math.max(ms, 1)) * TARGET;
    this.size = this.within(Math.min(wanted, this.size * 4, this.safe));
  }

  /**
   * A proxy refused a request of so many bytes. False when there is nothing smaller to try.
   */
  refused(bytes: number): boolean {
    if (bytes <= SMALLEST_CAP) return false;
    this.limit = Math.min(this.limit, Math.max(SMALLEST_CAP, Math.floor(bytes / 2)));
    this.size = Math.min(this.size, this.limit);
    return true;
  }

  /** A request of so many bytes broke off, or nothing was heard of it: the next ones risk less. */
  broke(bytes: number): void {
    this.safe = Math.max(SMALLEST_CAP, Math.min(this.safe, Math.floor(bytes / 2)));
    this.held = 0;
    this.size = this.within(Math.min(this.size / 2, this.safe));
  }

  private within(size: number): number {
    return Math.floor(Math.min(this.limit, Math.max(FLOOR, size)));
  }
}

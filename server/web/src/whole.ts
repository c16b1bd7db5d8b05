// Sends small files, each as a whole in the request that creates its upload: very small ones many in a
// row, and as many at once as the line holds, as with thousands of them it is the requests and the way
// there and back that take the time.
//
// Promises: a file that is fed ends in exactly one of `done` and `failed`, or is withdrawn; nothing is
// retried here. What a broken request leaves on the server is found by whoever asks for its list.

import type { Heard, Load } from "./engine";
import { postOne, postRow, silence, type Reply } from "./posting";
import { Flight, weight } from "./pure/flight";
import type { Answer } from "./pure/trouble";

/** Silence after which requests are given up, in milliseconds: longer than a line is ever quiet. */
const SILENCE = 90_000;
/** Files up to here go in rows: the server takes no larger ones there. */
const TINY = 256 << 10;
/** A row at most. What is under way is in four of them at least, so that the answers come one by one. */
const ROW = { files: 64, bytes: 1 << 20, parts: 4 };

/** One request, and the files in it that are still wanted. */
interface Request {
  keys: Set<string>;
  abort: AbortController;
  /** What its body brings, and what it counts for the flight. */
  bytes: number;
  weight: number;
  at: number;
}

export class Whole {
  private readonly waiting = new Map<string, Load>();
  private readonly going = new Map<string, Request>();
  private readonly requests = new Set<Request>();
  private readonly flight = new Flight();
  /** What all that is under way counts. */
  private under = 0;
  private heardAt = 0;
  /** Requests at once that the server takes, where it has said that there were too many. */
  private limit = Infinity;
  private sinceLimit = 0;
  private paused = false;

  /**
   * `most`: requests at once, however small; it may change with what else is under way. `largest`: bytes of
   * a request.
   */
  constructor(
    private readonly endpoint: string,
    readonly most: () => number,
    private readonly largest: () => number,
    private readonly heard: Heard,
    private readonly broke: (key: string, bytes: number, answer: Answer) => void,
  ) {
    setInterval(() => this.watch(), 15_000);
  }

  /** How many files are in here. */
  get busy(): number {
    return this.waiting.size + this.going.size;
  }

  has(key: string): boolean {
    return this.waiting.has(key) || this.going.has(key);
  }

  isGoing(key: string): boolean {
    return this.going.has(key);
  }

  keys(): string[] {
    return [...this.waiting.keys(), ...this.going.keys()];
  }

  feed(loads: Load[]): void {
    this.paused = false;
    for (const load of loads) this.waiting.set(load.key, load);
    this.run();
  }

  pause(): void {
    this.paused = true;
    for (const key of [...this.going.keys()]) this.withdraw(key);
  }

  withdraw(key: string): void {
    this.waiting.delete(key);
    const request = this.going.get(key);
    if (request === undefined) return;
    this.going.delete(key);
    request.keys.delete(key);
    if (request.keys.size > 0) return;
    this.over(request);
    request.abort.abort();
  }

  private over(request: Request): void {
    if (this.requests.delete(request)) this.under -= request.weight;
  }

  private run(): void {
    while (!this.paused) {
      const loads = this.next();
      if (loads.length === 0) return this.flight.wanting();
      const more = loads.reduce((sum, { file }) => sum + weight(file.size), 0);
      const full = this.under + more > this.flight.bytes && this.requests.size >= 2;
      if (full || this.requests.size >= Math.min(this.limit, this.most())) return;
      void this.send(loads, more);
    }
  }

  /** The files of the next request: the one whose turn it is, with others if they are very small. */
  private next(): Load[] {
    const most = Math.min(ROW.bytes, this.largest(), this.flight.bytes / ROW.parts);
    const row: Load[] = [];
    let bytes = 0;
    for (const load of this.waiting.values()) {
      const { size } = load.file;
      if (row.length === 0 && (size > TINY || size > most)) return [load];
      if (size > TINY || bytes + size > most) break;
      row.push(load);
      bytes += size;
      if (row.length === ROW.files) break;
    }
    return row;
  }

  private async send(loads: Load[], more: number): Promise<void> {
    const bytes = loads.reduce((sum, { file }) => sum + file.size, 0);
    const keys = new Set(loads.map(({ key }) => key));
    const request = { keys, abort: new AbortController(), bytes, weight: more, at: performance.now() };
    this.requests.add(request);
    this.under += more;
    this.flight.sent(request.at);
    for (const { key } of loads) {
      this.waiting.delete(key);
      this.going.set(key, request);
      this.heard.began(key);
    }
    const { signal } = request.abort;
    const [only, ...others] = loads;
    const replies =
      others.length === 0 ? [await postOne(this.endpoint, only!, signal)] : await postRow(this.endpoint, loads, signal);
    // All of it was taken out meanwhile, as by a pause: that says nothing of the line.
    if (keys.size === 0) return;
    this.over(request);
    this.answered(request, loads, replies);
    this.run();
  }

  private answered(request: Request, loads: Load[], replies: Reply[]): void {
    const now = performance.now();
    if (replies.some(({ status }) => status !== 0)) this.heardAt = now;
    if (replies.some(({ status }) => status === 429)) this.tooMany();
    else if (replies.some(({ status }) => status === 0 || status >= 500)) this.flight.broke();
    let arrived = 0;
    for (const [nth, { key, file }] of loads.entries()) {
      // Taken out meanwhile: whatever came, nobody waits for it.
      if (this.going.get(key) !== request) continue;
      this.going.delete(key);
      const reply = replies[nth]!;
      const { upload, offset, status } = reply;
      if (status < 200 || status > 299) {
        this.broke(key, request.bytes, reply);
        continue;
      }
      if (upload !== undefined) this.heard.created(key, upload);
      this.heard.acknowledged(key, offset);
      // Not everything: where it stands is asked for, and it goes on from there.
      if (offset !== file.size) {
        this.broke(key, request.bytes, silence());
        continue;
      }
      arrived += weight(file.size);
      this.heard.done(key, reply.hash);
    }
    if (arrived === 0) return;
    this.flight.arrived(arrived, now);
    if ((this.sinceLimit += 1) % 500 === 0) this.limit *= 1.25;
  }

  /** Fewer at once from now on; after many that went well a few more are tried. */
  private tooMany(): void {
    this.limit = Math.max(4, Math.floor(0.75 * (this.requests.size + 1)));
    this.sinceLimit = 0;
  }

  /** Gives up requests on a line that is dead without anybody saying so. */
  private watch(): void {
    const now = performance.now();
    if (now - this.heardAt < SILENCE) return;
    for (const request of [...this.requests]) {
      if (now - request.at < SILENCE) continue;
      const keys = [...request.keys];
      for (const key of keys) this.withdraw(key);
      this.flight.broke();
      for (const key of keys) this.broke(key, request.bytes, silence());
    }
  }
}

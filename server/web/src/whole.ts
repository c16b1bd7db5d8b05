// Sends small files, each as a whole in the one request that creates its upload, and as many at once
// as the line holds: with thousands of them it is the way there and back that takes the time.
//
// Promises: a file that is fed ends in exactly one of `done` and `failed`, or is withdrawn; nothing is
// retried here. What a broken request leaves on the server is found by whoever asks for its list.

import type { Heard, Load } from "./engine";
import { Flight, weight } from "./pure/flight";
import { retryAfter, type Answer } from "./pure/trouble";

/** What came back, if anything did. */
type Reply = { status: number; headers: Headers; text: string } | undefined;

/** Silence after which requests are given up, in milliseconds: longer than a line is ever quiet. */
const SILENCE = 90_000;

export class Whole {
  private readonly waiting = new Map<string, Load>();
  private readonly going = new Map<string, { abort: AbortController; bytes: number; at: number }>();
  private readonly flight = new Flight();
  /** Of all that is under way. */
  private bytes = 0;
  private heardAt = 0;
  /** Requests at once that the server takes, where it has said that there were too many. */
  private limit = Infinity;
  private sinceLimit = 0;
  private paused = false;

  /** `most`: requests at once, however small; it may change with what else is under way. */
  constructor(
    private readonly endpoint: string,
    readonly most: () => number,
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
    const going = this.going.get(key);
    if (going === undefined) return;
    this.over(key, going.bytes);
    going.abort.abort();
  }

  private over(key: string, bytes: number): void {
    this.going.delete(key);
    this.bytes -= weight(bytes);
  }

  private run(): void {
    if (this.paused) return;
    for (const load of this.waiting.values()) {
      const more = weight(load.file.size);
      const full = this.bytes + more > this.flight.bytes && this.going.size >= 2;
      if (full || this.going.size >= Math.min(this.limit, this.most())) return;
      this.waiting.delete(load.key);
      this.bytes += more;
      void this.send(load);
    }
    this.flight.wanting();
  }

  private async send({ key, path, file, modified }: Load): Promise<void> {
    const going = { abort: new AbortController(), bytes: file.size, at: performance.now() };
    this.going.set(key, going);
    this.flight.sent(going.at);
    this.heard.began(key);
    const filename = path.slice(path.lastIndexOf("/") + 1);
    let reply: Reply;
    try {
      const answer = await fetch(this.endpoint, {
        method: "POST",
        headers: {
          "Tus-Resumable": "1.0.0",
          "Upload-Length": String(going.bytes),
          "Upload-Metadata": metadata({ filename, relativePath: path, modified }),
          "Content-Type": "application/offset+octet-stream",
        },
        body: file,
        cache: "no-store",
        credentials: "same-origin",
        signal: going.abort.signal,
      });
      const text = answer.ok ? "" : await answer.text();
      reply = { status: answer.status, headers: answer.headers, text };
    } catch {
      reply = undefined;
    }
    // Taken out meanwhile: whatever came, nobody waits for it.
    if (this.going.get(key) !== going) return;
    this.over(key, going.bytes);
    this.answered(key, going.bytes, reply);
    this.run();
  }

  private answered(key: string, bytes: number, reply: Reply): void {
    const now = performance.now();
    if (reply !== undefined) this.heardAt = now;
    if (reply === undefined || reply.status < 200 || reply.status > 299) {
      if (reply?.status === 429) this.tooMany();
      else if (reply === undefined || reply.status >= 500) this.flight.broke();
      return this.broke(key, bytes, said(reply));
    }
    const { headers } = reply;
    const made = headers.get("Location");
    if (made !== null) this.heard.created(key, made.slice(made.lastIndexOf("/") + 1));
    const offset = Number(headers.get("Upload-Offset") ?? 0);
    this.heard.acknowledged(key, offset);
    // Not everything: where it stands is asked for, and it goes on from there.
    if (offset !== bytes) return this.broke(key, bytes, said(undefined));
    this.flight.arrived(weight(bytes), now);
    if ((this.sinceLimit += 1) % 500 === 0) this.limit *= 1.25;
    this.heard.done(key, headers.get("Stemvault-Hash") ?? undefined);
  }

  /** Fewer at once from now on; after many that went well a few more are tried. */
  private tooMany(): void {
    this.limit = Math.max(4, Math.floor(0.75 * (this.going.size + 1)));
    this.sinceLimit = 0;
  }

  /** Gives up requests on a line that is dead without anybody saying so. */
  private watch(): void {
    const now = performance.now();
    if (now - this.heardAt < SILENCE) return;
    for (const [key, { at, bytes }] of [...this.going]) {
      if (now - at < SILENCE) continue;
      this.withdraw(key);
      this.flight.broke();
      this.broke(key, bytes, said(undefined));
    }
  }
}

function said(reply: Reply): Answer {
  if (reply === undefined) return { status: 0, ours: false, text: "" };
  const { status, headers, text } = reply;
  return { status, ours: headers.has("Tus-Resumable"), text, after: retryAfter(headers.get("Retry-After")) };
}

/** As tus writes it: names, and their values in base64. */
function metadata(values: Record<string, string>): string {
  const text = new TextEncoder();
  const pairs = Object.entries(values).map(([name, value]) => `${name} ${btoa(String.fromCharCode(...text.encode(value)))}`);
  return pairs.join(",");
}

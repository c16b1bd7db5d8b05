// Sends bytes: large files by Uppy with its tus plug-in, small ones as `whole.ts` does.
//
// Promises: a file that is fed ends in exactly one of `done` and `failed`, or is withdrawn; nothing
// is retried here, as the one who feeds asks the server first where a file stands. Withdrawing never
// deletes what has arrived.

import Uppy, { type Meta, type Body } from "@uppy/core";
import Tus from "@uppy/tus";

import { keepCap, keptCap } from "./kept";
import { say } from "./pure/messages";
import { RequestSize } from "./pure/request-size";
import { judge, retryAfter, type Answer, type Trouble } from "./pure/trouble";
import { Whole } from "./whole";

/** A file to send. */
export interface Load {
  key: string;
  path: string;
  file: File;
  modified: string;
  /** Address of the upload to go on with. */
  url?: string | undefined;
}

/** What becomes of it. */
export interface Heard {
  began(key: string): void;
  /** The server has made an upload of it. */
  created(key: string, upload: string): void;
  acknowledged(key: string, offset: number): void;
  /** It is there as a whole; `hash` is the server's, if its answer arrived as it was sent. */
  done(key: string, hash: string | undefined): void;
  failed(key: string, trouble: Trouble): void;
}

/** Silence after which a request is given up, in milliseconds: longer than a line is ever quiet. */
const SILENCE = 90_000;
/** Files up to here go as a whole, if a request may carry so much: half a second on a good line. */
const SMALL = 4 << 20;
/** Files in Uppy at most: each change of its state looks at all of them. */
const AHEAD = 48;
/** Small files in here at most: as many as good lines hold, some of them in rows. */
const SMALL_AHEAD = 1200;
/** Requests at once; the server takes 128 of a connection, and some are for other things. */
const STREAMS = 120;
/** HTTP/1.1 gives six connections a server: two stay free for everything else. */
const CONNECTIONS = 4;

interface Going {
  key: string;
  heardAt: number;
  /** What its request brings at most. */
  bytes: number;
  /** The server's hash, once it has said it. */
  hash?: string;
}

interface FileMeta extends Meta {
  key: string;
  filename: string;
  relativePath: string;
  modified: string;
}

export class Engine {
  private readonly uppy: Uppy<FileMeta, Body>;
  private readonly tus: Tus<FileMeta, Body>;
  private readonly size = new RequestSize(keptCap());
  /** By Uppy's id of the file. */
  private readonly going = new Map<string, Going>();
  private readonly ids = new Map<string, string>();
  private readonly whole: Whole;
  private fed = 0;
  private readonly run = Date.now().toString(36);

  constructor(
    endpoint: string,
    private readonly heard: Heard,
  ) {
    this.uppy = new Uppy<FileMeta, Body>({ autoProceed: false, logger: silent });
    const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
    const streams = page?.nextHopProtocol === "h2";
    const most = () => (streams ? STREAMS : Math.max(1, CONNECTIONS - this.going.size));
    const broke = (key: string, bytes: number, answer: Answer) => this.failed(key, bytes, answer);
    this.whole = new Whole(endpoint, most, () => this.size.bytes, heard, broke);
    this.uppy.use(Tus, {
      endpoint,
      limit: streams ? 6 : CONNECTIONS,
      retryDelays: [],
      chunkSize: this.size.bytes,
      uploadDataDuringCreation: true,
      storeFingerprintForResuming: false,
      allowedMetaFields: ["filename", "relativePath", "modified"],
      onShouldRetry: () => false,
      onBeforeRequest: (request, file) => this.before(request, file.id),
      onAfterResponse: (request, response) => this.after(request, response),
    });
    this.tus = this.uppy.getPlugin<Tus<FileMeta, Body>>("Tus")!;
    this.uppy.on("upload-progress", (file) => file && this.alive(file.id));
    this.uppy.on("upload-success", (file) => file && this.succeeded(file.id));
    this.uppy.on("upload-error", (file, _error, response) => {
      if (file) this.broke(file.id, (response?.body as { xhr?: XMLHttpRequest } | undefined)?.xhr);
    });
    setInterval(() => this.watch(), 15_000);
  }

  /** Whether a file of this size can go as a whole. */
  isSmall(size: number): boolean {
    return size <= Math.min(SMALL, this.size.bytes);
  }

  /** How many more files are wanted: none as long as there are enough, then many at once. */
  get room(): { small: number; large: number } {
    const room = (busy: number, most: number) => (busy > most / 2 ? 0 : most - busy);
    return { small: room(this.whole.busy, SMALL_AHEAD), large: room(this.ids.size, AHEAD) };
  }

  has(key: string): boolean {
    return this.ids.has(key) || this.whole.has(key);
  }

  feed(loads: Load[]): void {
    const isSmall = ({ file, url }: Load) => url === undefined && this.isSmall(file.size);
    this.whole.feed(loads.filter(isSmall));
    this.feedLarge(loads.filter((load) => !isSmall(load)));
  }

  private feedLarge(loads: Load[]): void {
    if (loads.length === 0) return;
    this.tus.setOptions({ chunkSize: this.size.bytes });
    const urls = new Map<string, string | undefined>();
    const files = loads.map(({ key, path, file, modified, url }) => {
      // Uppy would take names that differ in their case only for one.
      const name = `${this.run}-${this.fed++}`;
      urls.set(key, url);
      const filename = path.slice(path.lastIndexOf("/") + 1);
      const meta = { key, filename, relativePath: path, modified };
      return { name, type: "application/octet-stream", data: file, meta };
    });
    // All at once: each change of Uppy's state looks at every file in it.
    this.uppy.addFiles(files);
    for (const file of this.uppy.getFiles()) {
      const { key } = file.meta;
      if (!urls.has(key)) continue;
      this.ids.set(key, file.id);
      const uploadUrl = urls.get(key);
      // Without an endpoint: an answer other than yes must not begin the file anew by itself.
      if (uploadUrl !== undefined) this.uppy.setFileState(file.id, { tus: { endpoint: "", uploadUrl } });
    }
    // What becomes of each file is heard by events.
    this.uppy.upload().catch(() => {});
  }

  /** Stops sending; the files stay in here. */
  pause(): void {
    this.whole.pause();
    this.uppy.pauseAll();
    this.going.clear();
  }

  /** Whether a request of this file is under way. */
  isGoing(key: string): boolean {
    const id = this.ids.get(key);
    return this.whole.isGoing(key) || (id !== undefined && this.going.has(id));
  }

  /** Takes a file out. What has arrived of it stays where it is. */
  withdraw(key: string): void {
    this.whole.withdraw(key);
    const id = this.ids.get(key);
    if (id === undefined) return;
    this.ids.delete(key);
    this.going.delete(id);
    const upload = this.tus.uploaders[id];
    // The plug-in deletes the upload of a removed file, if it knows its address.
    if (upload) upload.url = null;
    if (this.uppy.getFile(id)) this.uppy.removeFile(id);
  }

  withdrawAll(): void {
    for (const key of [...this.ids.keys(), ...this.whole.keys()]) this.withdraw(key);
  }

  private keyOf(id: string): string | undefined {
    return this.uppy.getFile(id)?.meta.key;
  }

  private readonly sent = new WeakMap<object, { id: string; at: number; from: number }>();

  private before(request: { getMethod(): string; getHeader(name: string): string | undefined }, id: string): void {
    const key = this.keyOf(id);
    const upload = this.tus.uploaders[id];
    if (key === undefined) return;
    const bytes = upload?.options.chunkSize ?? this.size.bytes;
    if (upload) {
      // Of the request after this one.
      upload.options.chunkSize = this.size.bytes;
      // From here on its address is known; see `feed`.
      if (request.getMethod() !== "POST") upload.options.endpoint = "";
    }
    if (!this.going.has(id)) this.heard.began(key);
    const now = performance.now();
    const from = Number(request.getHeader("Upload-Offset") ?? 0);
    const left = (this.uppy.getFile(id).size ?? bytes) - from;
    this.going.set(id, { key, heardAt: now, bytes: Math.min(bytes, left) });
    this.sent.set(request, { id, at: now, from });
  }

  private after(
    request: object,
    response: { getStatus(): number; getHeader(name: string): string | null | undefined },
  ): void {
    const sent = this.sent.get(request);
    if (sent === undefined) return;
    this.alive(sent.id);
    const key = this.keyOf(sent.id);
    const status = response.getStatus();
    if (key === undefined || status < 200 || status > 299) return;
    const made = response.getHeader("Location");
    if (made != null) this.heard.created(key, made.slice(made.lastIndexOf("/") + 1));
    const hash = response.getHeader("Stemvault-Hash");
    const going = this.going.get(sent.id);
    if (hash != null && going !== undefined) going.hash = hash;
    const said = response.getHeader("Upload-Offset");
    if (said == null) return;
    const offset = Number(said);
    this.size.took(offset - sent.from, performance.now() - sent.at);
    this.heard.acknowledged(key, offset);
  }

  private alive(id: string): void {
    const going = this.going.get(id);
    if (going) going.heardAt = performance.now();
  }

  private succeeded(id: string): void {
    const key = this.keyOf(id);
    const hash = this.going.get(id)?.hash;
    this.going.delete(id);
    if (key === undefined) return;
    this.heard.done(key, hash);
    // After the plug-in has let go of it: this event comes before that.
    setTimeout(() => this.withdraw(key), 0);
  }

  private broke(id: string, xhr: XMLHttpRequest | undefined): void {
    const key = this.keyOf(id);
    const bytes = this.going.get(id)?.bytes ?? this.size.bytes;
    this.going.delete(id);
    if (key === undefined) return;
    this.failed(key, bytes, {
      status: xhr?.status ?? 0,
      ours: xhr !== undefined && xhr.getResponseHeader("Tus-Resumable") !== null,
      text: xhr === undefined ? "" : xhr.responseText,
      after: retryAfter(xhr?.getResponseHeader("Retry-After")),
    });
  }

  private failed(key: string, bytes: number, answer: Answer): void {
    const trouble = judge(answer);
    if (trouble.kind === "smaller" && answer.status === 413) {
      if (this.size.refused(bytes)) {
        keepCap(this.size.cap);
      } else {
        trouble.kind = "wait";
        trouble.text = say("even-small");
      }
    } else if (trouble.kind !== "file") {
      this.size.broke(bytes);
    }
    this.heard.failed(key, trouble);
  }

  /** Gives up requests of which nothing was heard for long: the line is dead and nobody says so. */
  private watch(): void {
    const now = performance.now();
    for (const [id, going] of [...this.going]) {
      if (now - going.heardAt < SILENCE) continue;
      this.going.delete(id);
      this.size.broke(going.bytes);
      this.withdraw(going.key);
      this.heard.failed(going.key, judge({ status: 0, ours: false, text: "" }));
    }
  }
}

const silent = { debug() {}, warn() {}, error() {} };

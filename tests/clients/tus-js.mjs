// Uploads one file with tus-js-client as npm has it, and says in JSON lines what happened.
//
//   node tus-js.mjs ENDPOINT FILE PATH [--client 4|5] [--protocol NAME] [--chunk N] [--during-creation]
//     [--deferred] [--override] [--abort-at N] [--die-at N] [--url URL] [--terminate]
//
// ENDPOINT is an order's upload link, nothing else is known. --client is the major version,
// --protocol what that version calls one; --during-creation sends the first bytes with the creation;
// --deferred sends a stream of which nobody knows how long it is; --override says POST instead of
// PATCH. --abort-at stops once exactly N bytes of an append's body are with the operating system, and
// resumes in the same process; --die-at ends the process (SIGKILL) there; --url resumes what another
// process began; --terminate deletes the upload at the end. Trust comes from NODE_EXTRA_CA_CERTS.

import { createReadStream, statSync } from "node:fs";
import { PassThrough, Readable, Transform } from "node:stream";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    client: { type: "string", default: "4" },
    protocol: { type: "string", default: "tus-v1" },
    chunk: { type: "string" },
    "during-creation": { type: "boolean", default: false },
    deferred: { type: "boolean", default: false },
    override: { type: "boolean", default: false },
    "abort-at": { type: "string" },
    "die-at": { type: "string" },
    url: { type: "string" },
    terminate: { type: "boolean", default: false },
  },
});
const [endpoint, file, path] = positionals;
const size = statSync(file).size;
const { Upload, defaultOptions } = await import(
  { 4: "tus-js-client", 5: "tus-js-client-5" }[options.client]
);
const DefaultHttpStack = defaultOptions.httpStack.constructor;

const say = (event, fields = {}) => process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
const bytes = (name) => (options[name] === undefined ? undefined : Number(options[name]));

/** Lets `limit` bytes through and nothing after them. */
class Halt extends Transform {
  constructor(limit, halted) {
    super();
    this.left = limit;
    this.halted = halted;
  }

  _transform(part, _encoding, next) {
    if (this.left >= part.length) {
      this.left -= part.length;
      next(null, part);
      return;
    }
    this.push(part.subarray(0, this.left));
    this.left = 0;
    this.halted();
  }
}

/** The client's own HTTP stack; a request's body stops after `limit` bytes. */
class HaltingStack extends DefaultHttpStack {
  constructor(limit, halted) {
    super({});
    this.limit = limit;
    this.halted = halted;
  }

  createRequest(method, url) {
    const request = super.createRequest(method, url);
    const send = request.send.bind(request);
    this.last = request;
    request.send = (body) => {
      if (request.getHeader("Upload-Offset") === undefined || !body) return send(body);
      const halt = new Halt(this.limit, () => this.whenSent(request, halt));
      halt.size = body.size ?? body.length;
      (body.pipe ? body : Readable.from(body)).pipe(halt);
      return send(halt);
    };
    return request;
  }

  whenSent(request, halt) {
    const socket = request.getUnderlyingObject().socket;
    if (halt.readableLength === 0 && socket?.writableLength === 0) this.halted();
    else setTimeout(() => this.whenSent(request, halt), 5);
  }

  /** When nothing of the request that was halted is left. */
  closed() {
    const request = this.last.getUnderlyingObject();
    return new Promise((resolve) => (request.closed ? resolve() : request.once("close", resolve)));
  }
}

/** The file; as a stream that is nothing but bytes if its length is to be unknown. */
const source = () => {
  const bytes = createReadStream(file);
  return options.deferred ? bytes.pipe(new PassThrough()) : bytes;
};

/** Runs one Upload to its end, or until `limit` bytes have left; resolves to how it ended. */
function run(settings, limit, atLimit) {
  return new Promise((resolve, reject) => {
    let stopped = false;
    let hash;
    const goOn = () => {
      stopped = false;
      upload.options.httpStack = new DefaultHttpStack({});
      upload.start();
    };
    const halted = () => {
      stopped = true;
      atLimit(upload, resolve, reject, goOn);
    };
    const length = options.deferred ? { uploadLengthDeferred: true } : { uploadSize: size };
    const upload = new Upload(source(), {
      ...length,
      endpoint,
      protocol: options.protocol,
      uploadDataDuringCreation: options["during-creation"],
      overridePatchMethod: options.override,
      chunkSize: bytes("chunk") ?? Infinity,
      retryDelays: null,
      metadata: { filename: path.split("/").at(-1), relativePath: path, filetype: "audio/wav" },
      httpStack: limit === undefined ? new DefaultHttpStack({}) : new HaltingStack(limit, halted),
      ...settings,
      onUploadUrlAvailable: () => say("url", { url: upload.url }),
      onAfterResponse: (request, response) => {
        const offset = response.getHeader("Upload-Offset");
        if (request.getMethod() === "HEAD") say("resumed", { offset: Number(offset) });
        hash = response.getHeader("Stemvault-Hash") ?? hash;
      },
      onError: (error) => (stopped ? undefined : reject(error)),
      onSuccess: () => resolve({ aborted: false, url: upload.url, hash }),
    });
    upload.start();
  });
}

try {
  const dieAt = bytes("die-at");
  const abortAt = bytes("abort-at");
  let end = await run(
    options.url ? { uploadUrl: options.url } : {},
    dieAt ?? abortAt,
    (upload, resolve, reject, goOn) => {
      if (dieAt !== undefined) {
        say("dies", { sent: dieAt, url: upload.url });
        process.kill(process.pid, "SIGKILL");
      }
      const stack = upload.options.httpStack;
      upload.abort().then(() => stack.closed()).then(() => {
        say("aborted", { sent: abortAt, url: upload.url });
        // A stream cannot be read again: who holds what was not sent yet is this very upload.
        if (options.deferred) setImmediate(goOn);
        else resolve({ aborted: true, url: upload.url });
      }, reject);
    },
  );
  if (end.aborted) end = await run({ uploadUrl: end.url });
  say("done", { url: end.url, hash: end.hash });
  if (options.terminate) {
    await Upload.terminate(end.url, { retryDelays: null, protocol: options.protocol });
    say("terminated", { url: end.url });
  }
} catch (error) {
  say("failed", { message: error.message, status: error.originalResponse?.getStatus() });
  process.exit(1);
}

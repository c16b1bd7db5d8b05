// Uploads one file with tus-js-client as npm has it, and says in JSON lines what happened.
//
//   node tus-js.mjs ENDPOINT FILE PATH [--client 4|5] [--protocol NAME] [--mode M] [--chunk N]
//                   [--abort-at N] [--die-at N] [--url URL] [--terminate]
//
// --client is the major version, --protocol what that version calls one; --mode is one of the client's own ways to send a file: parallel (four parts side by side), deferred
// (the length comes last), creation (bytes with the POST), override (POST instead of PATCH).
// ENDPOINT is an order's upload link, nothing else is known. --abort-at stops once exactly N bytes
// of a request's body are with the operating system, and resumes in the same process; --die-at ends
// the process (SIGKILL) there; --url resumes what another process began; --terminate deletes the
// upload at the end. Trust comes from NODE_EXTRA_CA_CERTS.

import { createReadStream, statSync } from "node:fs";
import { PassThrough, Readable, Transform } from "node:stream";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    client: { type: "string", default: "4" },
    protocol: { type: "string", default: "tus-v1" },
    mode: { type: "string", default: "plain" },
    chunk: { type: "string" },
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
const modes = {
  plain: { uploadSize: size },
  parallel: { parallelUploads: 4 },
  deferred: { uploadLengthDeferred: true },
  creation: { uploadSize: size, uploadDataDuringCreation: true },
  override: { uploadSize: size, overridePatchMethod: true },
};
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
    request.send = (body) => {
      if (this.limit === undefined || !body) return send(body);
      const halt = new Halt(this.limit, () => this.whenSent(request, halt));
      halt.size = body.size ?? body.length;
      (body.pipe ? body : Readable.from([body])).pipe(halt);
      return send(halt);
    };
    return request;
  }

  whenSent(request, halt) {
    const { destroyed, socket } = request.getUnderlyingObject();
    // Aborted beside the one that came first: what it holds will never be sent.
    if (destroyed) return;
    if (halt.readableLength === 0 && socket?.writableLength === 0) this.halted(request);
    else setTimeout(() => this.whenSent(request, halt), 5);
  }
}

/** Runs one Upload to its end, or until `limit` bytes have left; resolves to how it ended. */
function run(settings, limit, atLimit) {
  return new Promise((resolve, reject) => {
    let stopped = false;
    let hash;
    const halted = (request) => {
      if (stopped) return;
      stopped = true;
      const sent = request.getUnderlyingObject();
      const closed = new Promise((done) => (sent.closed ? done() : sent.once("close", done)));
      atLimit(upload, resolve, reject, closed);
    };
    const stack = new HaltingStack(limit, halted);
    // Of a file with a name the client would know the length.
    const deferred = options.mode === "deferred";
    const source = deferred ? createReadStream(file).pipe(new PassThrough()) : createReadStream(file);
    const upload = new Upload(source, {
      endpoint,
      protocol: options.protocol,
      ...modes[options.mode],
      chunkSize: bytes("chunk") ?? Infinity,
      retryDelays: null,
      metadata: { filename: path.split("/").at(-1), relativePath: path, filetype: "audio/wav" },
      httpStack: stack,
      ...settings,
      onUploadUrlAvailable: () => say("url", { url: upload.url }),
      onAfterResponse: (request, response) => {
        const offset = response.getHeader("Upload-Offset");
        if (request.getMethod() === "HEAD") say("resumed", { offset: Number(offset) });
        hash = response.getHeader("Stemvault-Hash") ?? hash;
      },
      onError: (error) => (stopped && !upload.goesOn ? undefined : reject(error)),
      onSuccess: () => resolve({ aborted: false, url: upload.url, hash }),
    });
    upload.goOn = () => {
      stack.limit = undefined;
      upload.goesOn = true;
      upload.start();
    };
    upload.start();
  });
}

try {
  const dieAt = bytes("die-at");
  const abortAt = bytes("abort-at");
  let end = await run(
    options.url ? { uploadUrl: options.url } : {},
    dieAt ?? abortAt,
    (upload, resolve, reject, closed) => {
      if (dieAt !== undefined) {
        say("dies", { sent: dieAt, url: upload.url });
        process.kill(process.pid, "SIGKILL");
      }
      if (options.mode === "parallel" || options.mode === "deferred") {
        // Only the upload itself knows the parts that it has begun, and what it has read of a stream.
        const aborted = upload.abort().then(() => closed);
        aborted.then(() => {
          say("aborted", { sent: abortAt });
          // After the request that was aborted has reported that.
          setImmediate(upload.goOn);
        }, reject);
        return;
      }
      upload.abort().then(() => resolve({ aborted: true, url: upload.url }), reject);
    },
  );
  if (end.aborted) {
    say("aborted", { sent: abortAt, url: end.url });
    // A creation that was not answered has left no address: it is begun again.
    end = await run(end.url ? { uploadUrl: end.url } : {});
  }
  say("done", { url: end.url, hash: end.hash });
  if (options.terminate) {
    await Upload.terminate(end.url, { retryDelays: null, protocol: options.protocol });
    say("terminated", { url: end.url });
  }
} catch (error) {
  say("failed", { message: error.message, status: error.originalResponse?.getStatus() });
  process.exitCode = 1;
}

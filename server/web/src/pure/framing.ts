// How many files travel in one request, with their beginnings or with all of their bytes: for each file
// the length of its JSON (4 bytes, big-endian), the JSON {path, length, modified, seen}, the length of what
// comes of it (4 bytes), and that.

/** One file, and what comes of it. */
export interface Head {
  path: string;
  /** Bytes of the whole file. */
  size: number;
  modified?: string;
  bytes: Uint8Array;
  /** What an earlier answer said is to be compared. */
  seen?: object | undefined;
}

/** The media type of the frames. */
export const FRAMES = "application/vnd.stemvault.preflight";

function be32(value: number): Uint8Array<ArrayBuffer> {
  const four = new Uint8Array(4);
  new DataView(four.buffer).setUint32(0, value);
  return four;
}

/** The body of a request. */
export function frames(heads: readonly Head[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const text = new TextEncoder();
  for (const head of heads) {
    const { path, size, modified, seen } = head;
    const json = text.encode(JSON.stringify({ path, length: String(size), modified, seen }));
    parts.push(be32(json.length), json, be32(head.bytes.length), head.bytes);
  }
  const body = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** What a file adds to a request at most: its beginning, and an allowance for names and numbers. */
export function weight(size: number, head: number, path: string): number {
  return Math.min(size, head) + 3 * path.length + 64;
}

/**
 * Cuts a list into requests of at most `files` files and `bytes` bytes each; a file that alone is
 * more goes alone. The first ones are small, `first` files and then twice as many, so that there is
 * something to read soon.
 */
export function batches<T>(
  list: readonly T[],
  weigh: (one: T) => number,
  files: number,
  bytes: number,
  first = 16,
): T[][] {
  const all: T[][] = [];
  let batch: T[] = [];
  let sum = 0;
  let most = Math.min(first, files);
  for (const one of list) {
    const more = weigh(one);
    if (batch.length > 0 && (batch.length >= most || sum + more > bytes)) {
      all.push(batch);
      batch = [];
      sum = 0;
      most = Math.min(most * 2, files);
    }
    batch.push(one);
    sum += more;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}

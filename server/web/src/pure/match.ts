// Which upload on the server belongs to which file here, and what is left to do for it. The same
// rules as those of `stemvault push`: an upload belongs to a file if its path does (in composed
// form), and goes on if length and time of change agree. That is a guess, good enough to go on by: what
// has arrived is compared with the file afterwards (see `proving`), and sent again if it is another.

/** An upload as the server lists it. */
export interface Upload {
  id: string;
  path: string;
  length: string | null;
  offset: string;
  state: "open" | "finished" | "sealed";
  modified: string | null;
  /** BLAKE3, once it is whole. */
  hash?: string | null;
  /** Its sender has compared it with the file. */
  checked?: boolean;
}

/** A file as far as matching looks at it. */
export interface Known {
  path: string;
  size: number;
  /** RFC 3339, UTC, milliseconds; absent if nobody knows. */
  modified?: string | undefined;
}

/** What to do for a file. */
export interface Plan {
  /** The upload that goes on, or is there already. */
  use?: Upload;
  /** Uploads of the same path that have to go before the session is submitted. */
  replaces: string[];
}

/** Two paths are one if their composed forms are: a Mac says "o" and two dots. */
export function keyOf(path: string): string {
  return path.normalize("NFC");
}

/** Whether two times of change are one: to the second, as not every browser tells more of them. */
export function isSameTime(one: string, other: string): boolean {
  const second = (text: string) => Math.floor(Date.parse(text) / 1000);
  return second(one) === second(other);
}

/** Whether an upload is of this very version of a file. */
export function isSame(upload: Upload, file: Known): boolean {
  if (upload.length !== String(file.size)) return false;
  if (upload.modified == null || file.modified === undefined) return true;
  return isSameTime(upload.modified, file.modified);
}

const RANK = { sealed: 2, finished: 1, open: 0 };

/** Decides for one file, given the uploads of its path. */
export function decide(file: Known, uploads: readonly Upload[]): Plan {
  let use: Upload | undefined;
  const replaces: string[] = [];
  for (const upload of uploads) {
    const better =
      isSame(upload, file) &&
      (use === undefined ||
        RANK[upload.state] > RANK[use.state] ||
        (upload.state === use.state && Number(upload.offset) > Number(use.offset)));
    const loser = better ? use : upload;
    if (better) use = upload;
    // What was submitted once stays: it is part of a session.
    if (loser !== undefined && loser.state !== "sealed") replaces.push(loser.id);
  }
  return use === undefined ? { replaces } : { use, replaces };
}

/** The uploads by path. */
export function byPath(uploads: readonly Upload[]): Map<string, Upload[]> {
  const map = new Map<string, Upload[]>();
  for (const upload of uploads) {
    const key = keyOf(upload.path);
    const list = map.get(key);
    if (list) list.push(upload);
    else map.set(key, [upload]);
  }
  return map;
}

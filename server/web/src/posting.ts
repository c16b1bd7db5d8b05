// Requests that bring small files whole: one of them, which the browser reads as it sends it, or many
// in a row, as thousands of requests cost a browser more than the bytes in them.
//
// Nothing is retried here, and nothing is thrown.

import type { Load } from "./engine";
import { frames } from "./pure/framing";
import { retryAfter, type Answer } from "./pure/trouble";

/** What became of a file. */
export interface Reply extends Answer {
  upload?: string | undefined;
  /** How many bytes of it the server has. */
  offset: number;
  hash?: string | undefined;
}

/** What a row answers for each file. */
interface One {
  status: number;
  upload?: string;
  offset?: string;
  hash?: string;
  message?: string;
  retry_after?: string;
}

const FILES = "application/vnd.stemvault.files";
const SILENT: Reply = { status: 0, ours: false, text: "", offset: 0 };

/** Nothing came back. */
export const silence = (): Reply => ({ ...SILENT });

/** One file, as tus has it. */
export async function postOne(endpoint: string, load: Load, signal: AbortSignal): Promise<Reply> {
  const { path, file, modified } = load;
  const filename = path.slice(path.lastIndexOf("/") + 1);
  const headers = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": String(file.size),
    "Upload-Metadata": metadata({ filename, relativePath: path, modified }),
    "Content-Type": "application/offset+octet-stream",
  };
  const answer = await post(endpoint, headers, file, signal);
  if (answer === undefined) return silence();
  const { reply, headers: said } = answer;
  return {
    ...reply,
    upload: said.get("Location")?.split("/").at(-1),
    offset: Number(said.get("Upload-Offset") ?? 0),
    hash: said.get("Stemvault-Hash") ?? undefined,
  };
}

/** Many, in one request; a reply to each, in their order. One that cannot be read is as if it had broken off. */
export async function postRow(endpoint: string, loads: Load[], signal: AbortSignal): Promise<Reply[]> {
  const read = await Promise.all(loads.map(bytesOf));
  const there = loads.flatMap(({ path, modified }, nth) => {
    const bytes = read[nth];
    return bytes === undefined ? [] : [{ path, modified, size: bytes.length, bytes }];
  });
  if (there.length === 0 || signal.aborted) return loads.map(silence);
  const answer = await post(`${endpoint}/files`, { "Content-Type": FILES }, frames(there), signal);
  const ones = answer?.json?.files ?? [];
  let next = 0;
  return loads.map((_, nth) => {
    if (read[nth] === undefined || answer === undefined) return silence();
    const one = ones[next++];
    return one === undefined ? { ...answer.reply, offset: 0 } : replyOf(one);
  });
}

function replyOf({ status, upload, offset, hash, message, retry_after }: One): Reply {
  const after = retryAfter(retry_after);
  return { status, ours: true, text: message ?? "", after, upload, offset: Number(offset ?? 0), hash };
}

/** All bytes of a file; nothing if they are not as many as it was said to have. */
async function bytesOf({ file }: Load): Promise<Uint8Array | undefined> {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    return bytes.length === file.size ? bytes : undefined;
  } catch {
    return undefined;
  }
}

interface Heard {
  reply: Answer;
  headers: Headers;
  json?: { files: One[] };
}

async function post(
  address: string,
  headers: Record<string, string>,
  body: BodyInit,
  signal: AbortSignal,
): Promise<Heard | undefined> {
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers,
      body,
      cache: "no-store",
      credentials: "same-origin",
      signal,
    });
    const { status, headers: said } = answer;
    const ours = said.has("Tus-Resumable");
    const after = retryAfter(said.get("Retry-After"));
    if (!answer.ok) return { reply: { status, ours, text: await answer.text(), after }, headers: said };
    const reply = { status, ours, text: "", after };
    if (status !== 200) return { reply, headers: said };
    return { reply, headers: said, json: (await answer.json()) as { files: One[] } };
  } catch {
    return undefined;
  }
}

/** As tus writes it: names, and their values in base64. */
function metadata(values: Record<string, string>): string {
  const text = new TextEncoder();
  const pairs = Object.entries(values).map(([name, value]) => `${name} ${btoa(String.fromCharCode(...text.encode(value)))}`);
  return pairs.join(",");
}

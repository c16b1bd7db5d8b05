// A worker that reads a file to its end, as it is on the disk at this moment, and says how long it is
// and what `b3sum` would print of it. The file's own `size` is not believed: some browsers do not
// notice that a file has changed.

import { createBLAKE3, type IHasher } from "hash-wasm";

/** What a file is; `unreadable`: it cannot be read as it was; `unavailable`: the browser cannot hash. */
export type Reading = { size: number; hash: string } | "unreadable" | "unavailable";

let hasher: IHasher | undefined;

async function read(file: File): Promise<Reading> {
  try {
    hasher ??= await createBLAKE3();
  } catch {
    return "unavailable";
  }
  try {
    hasher.init();
    let size = 0;
    const reader = file.stream().getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      hasher.update(part.value);
      size += part.value.length;
    }
    return { size, hash: hasher.digest("hex") };
  } catch {
    return "unreadable";
  }
}

addEventListener("message", (event: MessageEvent<File>) => {
  void read(event.data).then((reading) => postMessage(reading));
});

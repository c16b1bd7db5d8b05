// Where files come from: a place to drop them, and a button for each way to choose them.

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { canChooseFolders, chooseFiles, chooseFolder, fromDrop, fromInput, type Brought } from "../pick";
import { say } from "../pure/messages";
import type { Sending } from "../sending";

interface Props {
  sending: Sending;
  /** Something is in the list already. */
  compact: boolean;
}

export function PickBox({ sending, compact }: Props) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [reading, setReading] = useState(false);
  const folders = canChooseFolders();

  const take = async (brought: Promise<Brought | undefined>, instead?: HTMLInputElement | null) => {
    setReading(true);
    try {
      const got = await brought;
      if (got === undefined) instead?.click();
      else if (got.picks.length + got.unread.length > 0) await sending.bring(got);
    } finally {
      setReading(false);
    }
  };

  // A drop beside the box must not open the file in the place of the page.
  useLayoutEffect(() => {
    const stop = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) void take(fromDrop(event.dataTransfer));
    };
    const enter = () => setOver(true);
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    addEventListener("dragover", stop);
    addEventListener("drop", drop);
    addEventListener("dragenter", enter);
    addEventListener("dragleave", leave);
    return () => {
      removeEventListener("dragover", stop);
      removeEventListener("drop", drop);
      removeEventListener("dragenter", enter);
      removeEventListener("dragleave", leave);
    };
  }, [sending]);

  const chosen = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    const brought = fromInput(input);
    // So that choosing the same again is heard.
    input.value = "";
    void take(Promise.resolve(brought));
  };

  const absent = sending.totals.of.absent;
  // Where nothing is missing there is nothing to go on with.
  const locked = sending.roots.locked.length > 0 && absent > 0;
  const unread = [...sending.unread];
  return (
    <>
      {locked && (
        <div class="notice go">
          <p>
            {say("back", { n: absent, from: named(sending) })}
          </p>
          <button type="button" class="primary" onClick={() => void sending.unlock()}>
            {say("back-go", { from: named(sending) })}
          </button>
        </div>
      )}
      {!locked && absent > 0 && (
        <div class="notice go">
          <p>
            <strong>{say("missing", { n: absent })}</strong>{" "}
            {say("missing-choose", { from: sourceOf(sending) ?? say("from-same") })}
          </p>
        </div>
      )}
      <div class={`drop${compact ? " compact" : ""}${over ? " over" : ""}`}>
        {!compact && <p class="big">{say("drop")}</p>}
        {!compact && <p class="hint">{say("drop-hint")}</p>}
        <div class="buttons">
          {folders && (
            <button
              type="button"
              class={compact ? "" : "primary"}
              onClick={() => void take(chooseFolder(), folder.current)}
            >
              {compact ? say("add-folder") : say("choose-folder")}
            </button>
          )}
          <button type="button" onClick={() => void take(chooseFiles(), files.current)}>
            {compact ? say("add-files") : say("choose-files")}
          </button>
          {compact && <span class="hint">{say("drop-anywhere")}</span>}
        </div>
        <input ref={files} class="heard" id="choose-files" type="file" multiple tabIndex={-1} aria-hidden="true" onChange={chosen} />
        <input
          ref={(input) => {
            folder.current = input;
            input?.setAttribute("webkitdirectory", "");
          }}
          class="heard"
          id="choose-folder"
          type="file"
          multiple
          tabIndex={-1}
          aria-hidden="true"
          onChange={chosen}
        />
        {reading && <p role="status">{say("reading")}</p>}
      </div>
      {unread.length > 0 && (
        <p class="notice bad" role="alert">
          {say("unread", { n: unread.length, names: few(unread) })}
        </p>
      )}
    </>
  );
}

/** The first of many. */
function few(all: string[]): string {
  const names = all.slice(0, 5).join(", ");
  return all.length > 5 ? say("unread-more", { names, more: all.length - 5 }) : names;
}

function named(sending: Sending): string {
  const [first] = sending.roots.locked;
  return sending.roots.locked.length === 1 && first 
    ? say("named", { name: first.name })
    : say("folders", { n: sending.roots.locked.length });
}

/** The folder that all missing files are in, if it is one. */
function sourceOf(sending: Sending): string | undefined {
  const folders = new Set<string>();
  for (const item of sending.items.values()) {
    if (item.stage === "absent") folders.add(item.path.includes("/") ? item.path.split("/")[0]! : "");
  }
  const [only] = folders;
  return folders.size === 1 && only ? say("from-folder", { name: only }) : undefined;
}

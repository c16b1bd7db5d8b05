// The files: what needs the person first, then what is worth knowing, then everything.

import { useState } from "preact/hooks";

import type { Item } from "../items";
import type { Page } from "../page";
import { count, percent, sentence, size, split } from "../pure/words";
import type { Sending } from "../sending";

/** A long list is drawn in parts: 5,000 rows would slow a phone down. */
const PART = 100;
/** Bytes from which a file under way has a row of its own. */
const LARGE = 8_000_000;

export function Attention({ page }: { page: Page }) {
  const { sending } = page;
  const all = [...sending.items.values()];
  const refused = all.filter((item) => item.stage === "refused");
  const failed = all.filter((item) => item.stage === "failed");
  const warned = all.filter((item) => !["refused", "leaving", "left"].includes(item.stage) && item.findings.length > 0);
  const lost = all.filter((item) => item.stage === "absent" && item.note !== undefined);
  const noted = all.filter((item) => item.note !== undefined && !["left", "failed", "absent"].includes(item.stage));
  const junk = all.filter((item) => item.stage === "left" && item.junk);
  const { out } = sending.leaving;
  const isComing = (key: string) => !["here", "leaving", "left"].includes(sending.items.get(key)?.stage ?? "left");
  return (
    <>
      {refused.length > 0 && (
        <section class="card attention" aria-labelledby="refused">
          <h3 id="refused">{count(refused.length, "file")} would come back to you</h3>
          <p class="hint">
            The studio's checks have looked at the beginning of every file. These are not uploaded until you decide:
            mend them and add them again, send them as they are, or leave them out.
          </p>
          <Rows items={refused}>
            {(item) => (
              <>
                <Findings item={item} />
                <div class="buttons">
                  <button type="button" class="small" onClick={() => sending.insist(item)}>
                    Send anyway<span class="heard"> {item.path}</span>
                  </button>
                  <button type="button" class="small" onClick={() => void sending.leave([item])}>
                    Leave it out<span class="heard"> {item.path}</span>
                  </button>
                </div>
              </>
            )}
          </Rows>
        </section>
      )}
      {failed.length > 0 && (
        <section class="card attention" aria-labelledby="failed">
          <h3 id="failed">The studio does not take {count(failed.length, "file")}</h3>
          <Rows items={failed}>
            {(item) => (
              <>
                <p>{item.note}</p>
                <div class="buttons">
                  <button type="button" class="small" onClick={() => sending.again(item)}>
                    Try again<span class="heard"> {item.path}</span>
                  </button>
                  <button type="button" class="small" onClick={() => void sending.leave([item])}>
                    Leave it out<span class="heard"> {item.path}</span>
                  </button>
                </div>
              </>
            )}
          </Rows>
        </section>
      )}
      {lost.length > 0 && (
        <section class="card attention" aria-labelledby="lost">
          <h3 id="lost">{count(lost.length, "file")} cannot be read any more</h3>
          <p class="hint">
            When the program that writes them is done, choose them again. One that has changed starts again, so that
            nothing arrives that is half the old and half the new one.
          </p>
          <Rows items={lost}>
            {(item) => (
              <>
                <p>{item.note}</p>
                <div class="buttons">
                  <button type="button" class="small" onClick={() => void sending.leave([item])}>
                    Leave it out<span class="heard"> {item.path}</span>
                  </button>
                </div>
              </>
            )}
          </Rows>
        </section>
      )}
      {sending.findings.shown(isComing).map((finding) => (
        <div class="notice" key={finding.rule + finding.message}>
          <p>
            <strong>{finding.severity === "refuse" ? "The studio would send this back." : "Worth a look."}</strong>{" "}
            {sentence(finding.message)}
          </p>
          {finding.files && finding.files.length > 1 && (
            <details>
              <summary>{count(finding.files.length, "file")}</summary>
              <ul class="plain">
                {finding.files.slice(0, PART).map((file) => (
                  <li key={file}>{file}</li>
                ))}
              </ul>
            </details>
          )}
        </div>
      ))}
      {warned.length > 0 && (
        <details class="card">
          <summary>Worth a look: {count(warned.length, "file")}. They are uploaded all the same</summary>
          <Rows items={warned}>{(item) => <Findings item={item} />}</Rows>
        </details>
      )}
      {noted.length > 0 && (
        <details class="card">
          <summary>Changed or to be known: {count(noted.length, "file")}</summary>
          <Rows items={noted}>{(item) => <p>{item.note}</p>}</Rows>
        </details>
      )}
      {out.length > 0 && (
        <details class="card">
          <summary>Left out by you: {count(out.length, "file")}</summary>
          <Rows items={out}>
            {(item) => (
              <button type="button" class="link" onClick={() => sending.include(item)}>
                Send it after all<span class="heard"> {item.path}</span>
              </button>
            )}
          </Rows>
        </details>
      )}
      {junk.length > 0 && (
        <details class="card">
          <summary>Left out: {count(junk.length, "file")} that your computer made for itself</summary>
          <Rows items={junk}>{(item) => <p>{item.note}</p>}</Rows>
        </details>
      )}
    </>
  );
}

function Findings({ item }: { item: Item }) {
  return (
    <>
      {item.findings.map((finding) => (
        <p key={finding.rule + finding.message}>{sentence(finding.message)}</p>
      ))}
    </>
  );
}

const ORDER = { sending: 0, queued: 1, looking: 1, absent: 2, refused: 3, failed: 3, leaving: 3, here: 4, left: 5 };

export function Everything({ page }: { page: Page }) {
  const { sending } = page;
  const returned = page.session?.review.state === "returned";
  const [open, setOpen] = useState(false);
  const items = open ? [...sending.items.values()].sort((one, two) => ORDER[one.stage] - ORDER[two.stage]) : [];
  return (
    <details class="card" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>All files: {sending.items.size.toLocaleString("en")}</summary>
        {open && (
          <Rows items={items}>
            {(item) => (
              <>
                {item.stage === "sending" ? <Bar item={item} /> : <p class="hint">{stands(item, sending)}</p>}
                {(!item.sealed || returned) && item.stage !== "left" && item.stage !== "leaving" && (
                  <button type="button" class="link" onClick={() => void sending.leave([item])}>
                    {item.stage === "here" && !item.sealed ? "Take back" : "Leave out"}
                    <span class="heard"> {item.path}</span>
                  </button>
                )}
              </>
            )}
          </Rows>
        )}
      </details>
  );
}

/** The large files under way; small ones come and go too fast to be read. */
export function UnderWay({ sending }: { sending: Sending }) {
  const going = [...sending.items.values()].filter((item) => item.stage === "sending" && item.size >= LARGE);
  if (going.length === 0) return null;
  return <Rows items={going.slice(0, 8)}>{(item) => <Bar item={item} />}</Rows>;
}

function Bar({ item }: { item: Item }) {
  const done = percent(item.acknowledged, item.size);
  return (
    <div class="bar">
      <progress max={100} value={done} aria-label={`Arrived of ${item.path}`} />
      <span class="hint">{done} %</span>
    </div>
  );
}

function stands(item: Item, sending: Sending): string {
  const part = item.acknowledged > 0 ? `${percent(item.acknowledged, item.size)} % arrived, ` : "";
  switch (item.stage) {
    case "here":
      return (item.sealed ? "Submitted" : "Arrived") + checked(item);
    case "looking":
      return "The studio's checks look at it";
    case "queued":
      return part + (sending.paused ? "paused" : item.tries > 0 ? "trying again" : "waiting for its turn");
    case "absent":
      return `${part}choose it again to go on`;
    case "refused":
      return "Would come back to you: see above";
    case "failed":
      return "Not taken: see above";
    case "leaving":
      return "Being taken back …";
    case "left":
      return item.note ?? "Left out";
    case "sending":
      return "";
  }
}

function checked(item: Item): string {
  switch (item.check) {
    case "same":
      return ", checked: it is the file on your computer";
    case "due":
      return ", to be compared with the file on your computer";
    case "unable":
      return ", not checked: the file could not be read again";
    case undefined:
      return "";
  }
}

interface RowsProps {
  items: Item[];
  children: (item: Item) => preact.ComponentChildren;
}

function Rows({ items, children }: RowsProps) {
  const [most, setMost] = useState(PART);
  return (
    <>
      <ul class="rows">
        {items.slice(0, most).map((item) => {
          const { folder, name } = split(item.path);
          return (
            <li key={item.key}>
              <p class="name">
                {folder && <span class="folder">{folder}</span>}
                <span class="file">{name}</span>
                <span class="size">{size(item.size)}</span>
              </p>
              {children(item)}
            </li>
          );
        })}
      </ul>
      {items.length > most && (
        <button type="button" class="link" onClick={() => setMost(most + 5 * PART)}>
          Show more of {items.length.toLocaleString("en")}
        </button>
      )}
    </>
  );
}

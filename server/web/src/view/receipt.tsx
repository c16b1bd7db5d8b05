// After submitting: the receipt, or why the studio sent the session back.

import { useLayoutEffect, useRef } from "preact/hooks";

import type { Receipt } from "../api";
import type { Page } from "../page";
import { language, parts, say } from "../pure/messages";
import { sentence, size } from "../pure/words";
import { Found } from "./lists";

export function Done({ page, receipt }: { page: Page; receipt: Receipt }) {
  const head = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (page.submitted) head.current?.focus();
  }, [receipt.session]);
  const accepted = receipt.review.state === "accepted";
  const { of, sealed } = page.sending.totals;
  const late = of.here - sealed + of.looking + of.queued + of.sending + of.refused + of.failed + of.absent;
  return (
    <section class="card receipt" aria-labelledby="receipt">
      <h2 id="receipt" ref={head} tabIndex={-1}>
        {accepted ? say("done-accepted") : say("done-submitted")}
      </h2>
      <p>
        {say("done-what", {
          n: receipt.file_count,
          bytes: size(Number(receipt.total_bytes)),
          day: new Date(receipt.sealed_at).toLocaleString(language, { dateStyle: "long", timeStyle: "short" }),
        })}{" "}
        {accepted ? say("done-nothing-left") : say("done-looks")}
      </p>
      <p>{compared(receipt)}</p>
      {receipt.left_out && (
        <p>
          <strong>{say("done-left-out")}</strong> {receipt.left_out}
        </p>
      )}
      {page.accepted && late > 0 && (
        <p class="notice bad">
          <strong>{say("done-late", { n: late })}</strong> {say("done-late-text")}
        </p>
      )}
      {accepted && receipt.review.reasons.map((reason) => <p key={reason}>{sentence(reason)}</p>)}
      {receipt.findings.length > 0 && !accepted && (
        <details>
          <summary>{say("done-checks", { n: receipt.findings.length })}</summary>
          <ul>
            {receipt.findings.map((finding) => (
              <li key={finding.rule + finding.message}>
                <Found finding={finding} />
              </li>
            ))}
          </ul>
        </details>
      )}
      <p>
        <a class="button primary" href={page.link.receipt(receipt.session)} target="_blank" rel="noopener">
          {say("done-receipt")}
        </a>
      </p>
      <details>
        <summary>{say("done-hashes")}</summary>
        <p class="hint">{parts("done-hash-hint", { program: <code>b3sum</code> })}</p>
        <ul class="rows hashes">
          {receipt.files.slice(0, 500).map((file) => (
            <li key={file.path}>
              <p class="name">
                <span class="file">{file.path}</span>
                <span class="size">{size(Number(file.length))}</span>
              </p>
              {file.checked && <span class="hint">{say("done-checked")} </span>}
              <code>{file.hash}</code>
            </li>
          ))}
        </ul>
        {receipt.files.length > 500 && <p class="hint">{say("done-rest")}</p>}
      </details>
      <p class="hint">{parts("done-session", { id: <code class="id">{receipt.session}</code> })}</p>
    </section>
  );
}

/** How what arrived compares with what lies on the sender's disk, in a sentence. */
function compared({ files }: Receipt): string {
  const checked = files.filter((file) => file.checked).length;
  if (checked === files.length) return say("compared-all");
  return checked === 0 ? say("compared-none") : say("compared-some", { n: checked, rest: files.length - checked });
}

export function Returned({ page, receipt }: { page: Page; receipt: Receipt }) {
  const head = useRef<HTMLHeadingElement>(null);
  // At once after submitting, as the checks answer then; when the page is opened it is read anyway.
  useLayoutEffect(() => {
    if (page.submitted) head.current?.focus();
  }, [receipt.session]);
  return (
    <section class="notice bad" aria-labelledby="returned">
      <h2 id="returned" ref={head} tabIndex={-1}>
        {say("returned-heading")}
      </h2>
      <ul>
        {receipt.review.reasons.map((reason) => (
          <li key={reason}>{sentence(reason)}</li>
        ))}
      </ul>
      <p>{say("returned-text")}</p>
    </section>
  );
}

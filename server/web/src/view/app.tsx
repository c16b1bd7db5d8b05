// The page from top to bottom: files, form, submit; or the receipt.

import type { Page } from "../page";
import { parts, say } from "../pure/messages";
import { sentence } from "../pure/words";
import { Finish } from "./finish";
import { FormSection } from "./form";
import { Attention, Everything } from "./lists";
import { PickBox } from "./pick-box";
import { Progress } from "./progress";
import { Done, Returned } from "./receipt";

export function App({ page }: { page: Page }) {
  const { state, sending, session } = page;
  const some = sending.items.size > 0;
  const returned = session?.review.state === "returned";
  return (
    <>
      <header class="top">
        <p class="order">
          {state.client
            ? say("order-of", { number: state.order, client: state.client })
            : say("order", { number: state.order })}
        </p>
        <h1>{state.title ? say("heading-title", { title: state.title }) : say("heading")}</h1>
      </header>
      {sending.closed !== undefined && !page.finished && (
        <p class="notice bad" role="alert">
          {sentence(sending.closed)}
        </p>
      )}
      {page.finished && session && <Done page={page} receipt={session} />}
      {returned && session && <Returned page={page} receipt={session} />}
      {sending.closed === undefined && !page.finished && (
        <section aria-labelledby="files">
          <h2 id="files">
            <span class="step">1</span> {say("files-heading")}
          </h2>
          <PickBox sending={sending} compact={some} />
          {some && <Progress page={page} />}
          {some && <Attention page={page} />}
          {some && <Everything page={page} />}
        </section>
      )}
      {sending.closed === undefined && !page.finished && (
        <>
          {state.form.fields.length > 0 && <FormSection page={page} />}
          <Finish page={page} />
        </>
      )}
      {page.finished && sending.closed === undefined && (
        <details class="more">
          <summary>{say("add-summary")}</summary>
          <p>{say("add-text")}</p>
          <PickBox sending={sending} compact />
        </details>
      )}
      {!page.accepted && <Otherwise link={page.link.address} />}
    </>
  );
}

function Otherwise({ link }: { link: string }) {
  const address = new URL(link, location.href).href;
  return (
    <details class="more quiet">
      <summary>{say("program-summary")}</summary>
      <p>{parts("program-goes-on", { program: <code>stemvault</code> })}</p>
      <p>
        <code>stemvault push FOLDER --to {address} --submit</code>
      </p>
      <p>{say("program-tus")}</p>
      <p>{say("program-care")}</p>
    </details>
  );
}

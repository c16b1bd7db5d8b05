//! An order's upload link, seen by people and by programs that are no tus client: the upload page,
//! what was received so far, what preflight says, the form, submitting, and the receipt.
//!
//! What the page looks like and says: [`pages::client::upload`].

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use stemvault_storage::audit::Actor;
use stemvault_storage::ids::{SessionId, Token};
use stemvault_storage::link::{Link, Scope};
use stemvault_storage::order::Order;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::{Form, Kind};
use stemvault_storage::upload::Upload;
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::app::{App, SharedApp};
use crate::checked;
use crate::error::{Answer, Failure};
use crate::form::{LeftOut, check_plain};
use crate::language::Language;
use crate::pace::Cost;
use crate::pages::client::upload::Seen;
use crate::pages::{self, failed, wants};
use crate::preflight;
use crate::route::{Routes, media, nothing, route, schema};
use crate::submit::{Filled, submit};
use crate::upload_state::{listed, state};
use crate::wire;

/// What `/u/{link}` answers beside uploads.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .on_slashed(
            route!(get "/u/{link}" Link nothing() => 200 schema::<wire::Uploads>(); "The page of an upload link; with Accept: application/json its uploads"),
            look,
        )
        .on(
            route!(get "/u/{link}/uploads" Link nothing() => 200 schema::<wire::Uploads>(); "The uploads of a link's order"),
            list,
        )
        .on(
            route!(get "/u/{link}/state" Link nothing() => 200 schema::<crate::upload_state::State>(); "How the order stands: uploads, form, the limits of this link, and what is missing before a submit"),
            stand,
        )
        .on(
            route!(post "/u/{link}/preflight" Link media("application/vnd.stemvault.preflight") => 200 schema::<preflight::Preflight>(); "What submit would say of files, by their first 64 KiB. The body is a row of files, each: length of a JSON object (4 bytes, big-endian), {path, length}, length of the head (4 bytes), the head; at most 256 files and 20 MiB, and 160 requests in a minute by one link").query(&[preflight::SCOPE]),
            preflight::check,
        )
        .on(
            route!(post "/u/{link}/checked" Link schema::<checked::Hashes>() => 200 schema::<checked::Confirmed>(); "Hashes of the sender's own files, read after they had arrived: which are those of the uploads. At most 512 in a request"),
            checked,
        )
        .on(
            route!(put "/u/{link}/form" Link schema::<Draft>() => 204 nothing(); "Keep a draft of the form"),
            draft,
        )
        .on(
            route!(post "/u/{link}/submit" Link schema::<Submitted>() => 201 schema::<wire::Receipt>(); "Seal what was uploaded; a refusal for the form names its fields in missing").may_be_empty(),
            seal,
        )
        .on(
            route!(get "/u/{link}/receipts/{session}" Link nothing() => 200 media("text/html"); "The receipt of a session, to be printed"),
            receipt,
        )
}

/// What it costs to keep a draft: all of it is written.
const DRAFT: Cost = Cost(100);

/// What a link that opens nothing answers: unknown, expired and revoked are one.
#[must_use]
pub fn closed() -> Failure {
    let message = "this link opens nothing, or no longer: ask the studio for a new one";
    Failure::refused(RefusalKind::NotFound, message).tried()
}

async fn look(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if wants(&headers, "application/json") && !wants(&headers, "text/html") {
        let listed = list(State(Arc::clone(&app)), Path(link)).await;
        return listed.unwrap_or_else(|failure| failed(failure, &headers, app.prefix()));
    }
    let words = Language::of(&headers);
    let page = page(&app, &link, query.as_deref(), words).await;
    page.unwrap_or_else(|failure| failed(failure, &headers, app.prefix()))
}

/// The page of a link, for people.
async fn page(app: &App, link: &str, query: Option<&str>, words: Language) -> Answer {
    let (by, accepted) = known(app, link).await?;
    let (order, uploads) = uploads(app, &by).await?;
    let rows = app.vault.core.sessions(order.id).await?.into_iter();
    let session = rows.rev().find(|row| row.kind == Kind::Material);
    let base = app.public_url.as_str().trim_end_matches('/');
    let seen = Seen {
        order: &order,
        session: session.as_ref(),
        uploads: &uploads,
        accepted,
        at: &format!("{}/u/{link}", app.prefix()),
        address: &format!("{base}/u/{link}"),
        query,
    };
    Ok(pages::client::upload::page(&seen, words, app.prefix()))
}

async fn stand(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let (by, accepted) = known(&app, &link).await?;
    let (order, uploads) = uploads(&app, &by).await?;
    let at = format!("{}/u/{link}", app.prefix());
    let mut state = state(&app, &order, &uploads, &by, &at, Language::of(&headers)).await?;
    state.stage_open &= !accepted;
    Ok(json(StatusCode::OK, state))
}

async fn draft(State(app): State<SharedApp>, Path(link): Path<String>, request: Request) -> Answer {
    let link = open(&app, &link).await?;
    let Body(Draft { form }) = Body::from_request(request, &app).await?;
    check_plain(&form)?;
    app.vault.drafts.keep(link.order, &form).await?;
    let mut kept = StatusCode::NO_CONTENT.into_response();
    kept.extensions_mut().insert(DRAFT);
    Ok(kept)
}

async fn receipt(
    State(app): State<SharedApp>,
    Path((link, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match receipt_of(&app, &link, &session).await {
        Ok(receipt) => {
            let zone = app.settings.orders.time_zone;
            let words = Language::of(&headers);
            pages::client::receipt::page(&receipt, zone, words, app.prefix())
        }
        Err(failure) => failed(failure, &headers, app.prefix()),
    }
}

/// A session of material: what the studio made is not for this link.
async fn receipt_of(
    app: &App,
    link: &str,
    session: &str,
) -> Answer<stemvault_storage::session::Receipt> {
    let (link, _) = known(app, link).await?;
    let rows = app.vault.core.sessions(link.order).await?;
    let wanted = session.parse::<SessionId>().ok();
    let found = rows
        .iter()
        .find(|row| row.kind == Kind::Material && Some(row.session) == wanted);
    let Some(row) = found else {
        let message = "there is no such receipt: open the upload link, it leads to the last one";
        return Err(Failure::refused(RefusalKind::NotFound, message));
    };
    Ok(app.vault.manifests.receipt(link.order, row.session).await?)
}

async fn list(State(app): State<SharedApp>, Path(link): Path<String>) -> Answer {
    let by = open(&app, &link).await?;
    let (order, uploads) = uploads(&app, &by).await?;
    let listed = listed(&app, &order, &uploads, Some(&by)).await?;
    Ok(json(StatusCode::OK, listed))
}

/// What a submit brings along.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// The whole form; the draft if absent.
    #[serde(default)]
    form: Option<Form>,
    /// What the sender left out, for the receipt.
    #[serde(default)]
    left_out: LeftOut,
}

/// A form that is not submitted yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// What was entered so far.
    form: Form,
}

async fn seal(State(app): State<SharedApp>, Path(link): Path<String>, request: Request) -> Answer {
    // The link first: what a stranger sends is not read.
    let link = open(&app, &link).await?;
    let Body(Submitted { form, left_out }) = Body::from_request(request, &app).await?;
    let filled = Filled {
        form,
        incomplete: None,
        left_out,
    };
    let who = Actor::Link(link.id);
    let receipt = submit(&app, link.order, Kind::Material, filled, who).await?;
    Ok(json(StatusCode::CREATED, wire::Receipt::from(&receipt)))
}

async fn checked(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    request: Request,
) -> Answer {
    // The link first: what a stranger sends is not read.
    let link = open(&app, &link).await?;
    let said = Body::<checked::Hashes>::from_request(request, &app)
        .await?
        .0;
    let confirmed = checked::confirm(&app, link.order, Some(Kind::Material), &said).await?;
    Ok(json(StatusCode::OK, confirmed))
}

/// The upload link that a text is, while it takes files.
///
/// # Errors
/// It opens nothing, or the studio has accepted what came by it.
pub async fn open(app: &App, text: &str) -> Answer<Link> {
    match known(app, text).await? {
        (link, false) => Ok(link),
        (_, true) => {
            let message = "the studio has accepted the files, and this link takes nothing any more: ask the studio for a new one if something has to be added";
            Err(Failure::refused(RefusalKind::WrongStage, message))
        }
    }
}

/// The same, and whether it has ended because the studio has accepted what came by it: then it still
/// shows that, and the receipt.
async fn known(app: &App, text: &str) -> Answer<(Link, bool)> {
    let token = Token::presented(text);
    if let Some(link) = app.vault.access.open_link(&token).await? {
        let ours = link.scope == Scope::Upload;
        return if ours {
            Ok((link, false))
        } else {
            Err(closed())
        };
    }
    let accepted = app.vault.access.accepted_link(&token).await?;
    accepted.map(|link| (link, true)).ok_or_else(closed)
}

/// The uploads of material of a link's order: what the studio uploads is not for this link.
async fn uploads(app: &App, link: &Link) -> Answer<(Order, Vec<Arc<Upload>>)> {
    let order = app.vault.core.order(link.order).await?;
    let mut uploads = app.vault.rows.listed(order.id).await?;
    uploads.retain(|upload| upload.kind == Kind::Material);
    Ok((order, uploads))
}

pub(crate) fn json(status: StatusCode, body: impl serde::Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

//! An order's upload link, seen by people and by programs that are no tus client: the upload page,
//! what was received so far, what preflight says, the form, submitting, and the receipt.
//!
//! The page is a shell that a script fills ([`assets`]); without the script it explains
//! how to upload by other means, and shows the same state.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{FromRequest, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use stemvault_storage::audit::Actor;
use stemvault_storage::ids::{SessionId, Token};
use stemvault_storage::link::{Link, Scope};
use stemvault_storage::order::Order;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::{Form, Kind, Review, SessionRow};
use stemvault_storage::upload::{Upload, UploadState};
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::app::{App, SharedApp};
use crate::assets;
use crate::checked;
use crate::error::{Answer, Failure};
use crate::form::{LeftOut, check_plain};
use crate::pace::Cost;
use crate::page::{Breakable, Escaped, Needs, Size, failed, page_with, wants};
use crate::preflight;
use crate::receipt_page;
use crate::shape;
use crate::state::{listed, state};
use crate::submit::{Filled, submit};

/// What `/u/{link}` answers beside uploads.
pub fn router() -> Router<SharedApp> {
    Router::new()
        .route("/u/{link}", get(look))
        .route("/u/{link}/", get(look))
        .route("/u/{link}/uploads", get(list))
        .route("/u/{link}/state", get(stand))
        .route("/u/{link}/preflight", post(preflight::check))
        .route("/u/{link}/checked", post(checked))
        .route("/u/{link}/form", put(draft))
        .route("/u/{link}/submit", post(seal))
        .route("/u/{link}/receipts/{session}", get(receipt))
}

/// What it costs to keep a draft: all of it is written.
const DRAFT: Cost = Cost(100);

/// The query that asks for the page without its script.
const PLAIN: &str = "plain";

/// Stands on the page of a server that has no script for it.
const NOT_BUILT: &str = "<p>Files cannot be chosen on this page, because this server was built without its upload page. They can be uploaded all the same: see below.</p>\n";

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
        let listed = list(State(app), Path(link)).await;
        return listed.unwrap_or_else(|failure| failed(failure, &headers));
    }
    match page(&app, &link, query.as_deref()).await {
        Ok(page) => page,
        Err(failure) => failed(failure, &headers),
    }
}

/// The page of a link, for people.
async fn page(app: &App, link: &str, query: Option<&str>) -> Answer {
    let (by, accepted) = known(app, link).await?;
    let (order, uploads) = uploads(app, &by).await?;
    let rows = app.vault.sessions(order.id).await?.into_iter();
    let session = rows.rev().find(|row| row.kind == Kind::Material);
    let base = app.public_url.as_str().trim_end_matches('/');
    let address = format!("{base}/u/{link}");
    let title = format!("Upload for order {}", order.number);
    let prefix = app.prefix();
    let at = format!("{prefix}/u/{link}");
    let mut plain = describe(&order, session.as_ref(), &uploads);
    if accepted {
        let session = session.map_or_else(String::new, |row| row.session.to_string());
        plain = format!(
            "<p>The studio has accepted your files. This link takes nothing any more; if something has to be added, ask the studio for a new one.</p>\n<p><a href=\"{}/receipts/{session}\">The receipt</a>, to print or keep.</p>\n{plain}",
            Escaped(&at)
        );
    } else {
        plain.push_str(&how_to(&address));
    }
    let built = assets::is_built();
    if !built || query == Some(PLAIN) {
        let why = if built { "" } else { NOT_BUILT };
        let plain = format!("{why}{plain}");
        return Ok(page_with(StatusCode::OK, &title, &plain, Needs::default()));
    }
    let asset = |name: &str| format!("{prefix}/assets/{name}");
    let body = format!(
        "<p id=\"loading\" role=\"status\">The upload page is on its way. If it does not come, <a href=\"{}?{PLAIN}\">there are other ways to upload</a>.</p>\n\
         <noscript>\n{plain}</noscript>\n",
        Escaped(&at)
    );
    let (style, script) = (asset(assets::STYLE), asset(assets::SCRIPT));
    let needs = Needs {
        style: Some(&style),
        script: Some((&script, &at)),
    };
    Ok(page_with(StatusCode::OK, &title, &body, needs))
}

async fn stand(State(app): State<SharedApp>, Path(link): Path<String>) -> Answer {
    let (by, accepted) = known(&app, &link).await?;
    let (order, uploads) = uploads(&app, &by).await?;
    let at = format!("{}/u/{link}", app.prefix());
    let mut state = state(&app, &order, &uploads, &by, &at).await?;
    state.stage_open &= !accepted;
    Ok(json(StatusCode::OK, state))
}

async fn draft(State(app): State<SharedApp>, Path(link): Path<String>, request: Request) -> Answer {
    let link = open(&app, &link).await?;
    let Body(Draft { form }) = Body::from_request(request, &app).await?;
    check_plain(&form)?;
    app.vault.keep_draft(link.order, &form).await?;
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
            let style = format!("{}/assets/receipt.css", app.prefix());
            let needs = Needs {
                style: Some(&style),
                script: None,
            };
            let (title, zone) = (receipt_page::title(&receipt), app.settings.orders.time_zone);
            let body = receipt_page::body(&receipt, zone);
            page_with(StatusCode::OK, &title, &body, needs)
        }
        Err(failure) => failed(failure, &headers),
    }
}

/// A session of material: what the studio made is not for this link.
async fn receipt_of(
    app: &App,
    link: &str,
    session: &str,
) -> Answer<stemvault_storage::session::Receipt> {
    let (link, _) = known(app, link).await?;
    let rows = app.vault.sessions(link.order).await?;
    let wanted = session.parse::<SessionId>().ok();
    let found = rows
        .iter()
        .find(|row| row.kind == Kind::Material && Some(row.session) == wanted);
    let Some(row) = found else {
        let message = "there is no such receipt: open the upload link, it leads to the last one";
        return Err(Failure::refused(RefusalKind::NotFound, message));
    };
    Ok(app.vault.receipt(link.order, row.session).await?)
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
    Ok(json(StatusCode::CREATED, shape::Receipt::from(&receipt)))
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
    if let Some(link) = app.vault.open_link(&token).await? {
        let ours = link.scope == Scope::Upload;
        return if ours {
            Ok((link, false))
        } else {
            Err(closed())
        };
    }
    let accepted = app.vault.accepted_link(&token).await?;
    accepted.map(|link| (link, true)).ok_or_else(closed)
}

/// The uploads of material of a link's order: what the studio uploads is not for this link.
async fn uploads(app: &App, link: &Link) -> Answer<(Order, Vec<Arc<Upload>>)> {
    let order = app.vault.order(link.order).await?;
    let mut uploads = app.vault.listed(order.id).await?;
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

fn describe(order: &Order, session: Option<&SessionRow>, uploads: &[Arc<Upload>]) -> String {
    let mut html = String::new();
    let mut say = |text: std::fmt::Arguments<'_>| {
        html.write_fmt(text).expect("a string takes everything");
    };
    if let Some(title) = &order.client.title {
        say(format_args!("<p>{}</p>\n", Escaped(title)));
    }
    let whole = uploads.iter().filter(|it| it.state != UploadState::Open);
    let open: Vec<_> = uploads
        .iter()
        .filter(|it| it.state == UploadState::Open)
        .collect();
    let bytes: u64 = uploads.iter().map(|upload| upload.offset).sum();
    say(format_args!("<h2>Received so far</h2>\n"));
    if uploads.is_empty() {
        say(format_args!("<p>Nothing yet.</p>\n"));
    } else {
        say(format_args!(
            "<p>{} of {} files are here, {} in all.</p>\n",
            whole.count(),
            uploads.len(),
            Size(bytes)
        ));
    }
    if !open.is_empty() {
        say(format_args!(
            "<p>Not complete; upload them again and they go on where they stopped:</p>\n<ul>\n"
        ));
        for upload in open {
            let of = upload
                .length
                .map_or_else(String::new, |length| format!(" of {}", Size(length)));
            say(format_args!(
                "<li>{}: {}{of}</li>\n",
                Escaped(upload.path.as_str()),
                Size(upload.offset)
            ));
        }
        say(format_args!("</ul>\n"));
    }
    say(format_args!("{}", submitted(session)));
    html
}

/// The ways to upload without the page's script.
fn how_to(address: &str) -> String {
    let address = Breakable(address);
    format!(
        "<h2>How to upload</h2>\n\
         <p>With the program <code>stemvault</code>, which goes on where it stopped:</p>\n\
         <p><code>stemvault push FOLDER --to {address} --submit</code></p>\n\
         <p>Or with any program that speaks tus 1.0, or the IETF&#39;s draft of resumable uploads: give it the address of this page as its endpoint.</p>\n\
         <p>Whoever knows the address can upload here: pass it on with care.</p>\n"
    )
}

/// What became of the files that were submitted last, for the one who waits for an answer.
fn submitted(session: Option<&SessionRow>) -> String {
    let Some(row) = session else {
        return "<p>Nothing is submitted yet: when all files are here, submit them, or the studio will not see that you are done.</p>\n".to_owned();
    };
    let day = row.sealed_at.format("%Y-%m-%d");
    let mut html = format!("<h2>Submitted</h2>\n<p>{} files on {day}. ", row.files);
    match &row.review {
        Review::Submitted => html.push_str("The studio has not looked at them yet.</p>\n"),
        Review::Accepted { .. } => {
            html.push_str("The studio accepted them: nothing is left to do.</p>\n");
        }
        Review::Returned { reasons, .. } => {
            html.push_str("They came back, because of this:</p>\n<ul>\n");
            for reason in reasons {
                html.push_str(&format!("<li>{}</li>\n", Escaped(reason)));
            }
            html.push_str("</ul>\n<p>Upload the mended files under the same names, then submit again. The others need not be sent again.</p>\n");
        }
    }
    html
}

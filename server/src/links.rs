//! An order's upload link, seen by people and by programs that are no tus client: what was
//! received so far, how to upload, and submitting.

use std::fmt::Write as _;

use axum::Json;
use axum::Router;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use stemvault_storage::ids::Token;
use stemvault_storage::link::{Link, Scope};
use stemvault_storage::order::Order;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::{Form, Kind, Review, SessionRow};
use stemvault_storage::upload::{Upload, UploadState};

use crate::api::body::Body;
use crate::app::{App, SharedApp};
use crate::error::{Answer, Failure};
use crate::page::{Breakable, Escaped, Size, failed, page, wants};
use crate::shape;
use crate::submit::submit;

/// What `/u/{link}` answers beside uploads.
pub fn router() -> Router<SharedApp> {
    Router::new()
        .route("/u/{link}", get(look))
        .route("/u/{link}/", get(look))
        .route("/u/{link}/uploads", get(list))
        .route("/u/{link}/submit", post(seal))
}

/// What a link that opens nothing answers: unknown, expired and revoked are one.
#[must_use]
pub fn closed() -> Failure {
    let message = "this link opens nothing, or no longer: ask the studio for a new one";
    Failure::refused(RefusalKind::NotFound, message).tried()
}

async fn look(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Response {
    let found = uploads(&app, &link).await;
    let (order, uploads) = match found {
        Ok(found) => found,
        Err(failure) => return failed(failure, &headers),
    };
    if wants(&headers, "application/json") && !wants(&headers, "text/html") {
        return json(StatusCode::OK, shape::Uploads::new(&order.number, &uploads));
    }
    let session = match app.vault.sessions(order.id).await {
        Ok(rows) => rows.into_iter().rfind(|row| row.kind == Kind::Material),
        Err(error) => return failed(error.into(), &headers),
    };
    let base = app.public_url.as_str().trim_end_matches('/');
    let address = format!("{base}/u/{link}");
    let title = format!("Upload for order {}", order.number);
    page(
        StatusCode::OK,
        &title,
        &describe(&order, session.as_ref(), &uploads, &address),
    )
}

async fn list(State(app): State<SharedApp>, Path(link): Path<String>) -> Answer {
    let (order, uploads) = uploads(&app, &link).await?;
    Ok(json(
        StatusCode::OK,
        shape::Uploads::new(&order.number, &uploads),
    ))
}

/// What a submit brings along.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submitted {
    #[serde(default)]
    form: Form,
}

async fn seal(State(app): State<SharedApp>, Path(link): Path<String>, request: Request) -> Answer {
    // The link first: what a stranger sends is not read.
    let link = open(&app, &link).await?;
    let Body(Submitted { form }) = Body::from_request(request, &app).await?;
    let receipt = submit(&app, link.order, Kind::Material, form).await?;
    Ok(json(StatusCode::CREATED, shape::Receipt::from(&receipt)))
}

async fn open(app: &App, link: &str) -> Answer<Link> {
    let link = app.vault.open_link(&Token::presented(link)).await?;
    link.filter(|link| link.scope == Scope::Upload)
        .ok_or_else(closed)
}

/// The order and its uploads of material: what the studio uploads is not for this link.
async fn uploads(app: &App, link: &str) -> Answer<(Order, Vec<Upload>)> {
    let link = open(app, link).await?;
    let order = app.vault.order(link.order).await?;
    let mut uploads = app.vault.uploads(order.id).await?;
    uploads.retain(|upload| upload.kind == Kind::Material);
    Ok((order, uploads))
}

fn json(status: StatusCode, body: impl serde::Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn describe(
    order: &Order,
    session: Option<&SessionRow>,
    uploads: &[Upload],
    address: &str,
) -> String {
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
    let address = Breakable(address);
    say(format_args!(
        "<h2>How to upload</h2>\n\
         <p>With the program <code>stemvault</code>, which goes on where it stopped:</p>\n\
         <p><code>stemvault push FOLDER --to {address} --submit</code></p>\n\
         <p>Or with any program that speaks tus 1.0: give it the address of this page as its endpoint.</p>\n\
         <p>Whoever knows the address can upload here: pass it on with care.</p>\n"
    ));
    html
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

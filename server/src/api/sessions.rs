//! Uploads, submit, receipts and reviews, for staff.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, Method, StatusCode};
use serde::Deserialize;
use stemvault_storage::ids::{OrderId, SessionId, UploadId};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::{Form, Kind};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::orders::{checked, id_of};
use crate::app::{App, SharedApp};
use crate::bag;
use crate::checked::{Confirmed, Hashes, confirm};
use crate::download;
use crate::error::Answer;
use crate::form::LeftOut;
use crate::route::{Routes, bytes, media, nothing, route, schema};
use crate::submit::{Filled, known_form, submit as seal};
use crate::turns::Asked;
use crate::upload_state::listed;
use crate::wire::{Receipt, Uploads};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/orders/{number}/uploads" Token nothing() => 200 schema::<Uploads>(); "Every upload of an order"),
            uploads,
        )
        .on(
            route!(post "/api/v1/orders/{number}/uploads/checked" Token schema::<Hashes>() => 200 schema::<Confirmed>(); "Hashes of the sender's own files, read after they had arrived: which are those of the uploads. At most 512 in a request"),
            compared,
        )
        .on(
            route!(delete "/api/v1/orders/{number}/uploads/{upload}" Token nothing() => 204 nothing(); "Remove an upload that no session holds, or only one that was returned"),
            remove,
        )
        .on(
            route!(post "/api/v1/orders/{number}/submit" Token schema::<NewSession>() => 201 schema::<Receipt>(); "Seal what was uploaded into a session").may_be_empty(),
            submit,
        )
        .on(
            route!(get "/api/v1/orders/{number}/sessions/{session}" Token nothing() => 200 schema::<Receipt>(); "The receipt of a session, by its id or the start of it"),
            show,
        )
        .on(
            route!(post "/api/v1/orders/{number}/sessions/{session}/accept" Token schema::<Acceptance>() => 200 schema::<Receipt>(); "Take a session").may_be_empty(),
            accept,
        )
        .on(
            route!(post "/api/v1/orders/{number}/sessions/{session}/return" Token schema::<Return>() => 200 schema::<Receipt>(); "Give a session back, with reasons"),
            give_back,
        )
        .on(
            route!(get "/api/v1/orders/{number}/sessions/{session}/files/{*path}" Token nothing() => 200 bytes(); "A file of a session; ranges, ETag, If-Range"),
            file,
        )
        .on(
            route!(get "/api/v1/orders/{number}/sessions/{session}/bag" Token nothing() => 200 schema::<bag::BagParts>(); "What a bag (BagIt 1.0) of the session holds beside its files"),
            bag,
        )
        .on(
            route!(get "/api/v1/orders/{number}/sessions/{session}/bag.zip" Token nothing() => 200 media("application/zip"); "The session as a bag (BagIt 1.0) in a zip, made while it is sent"),
            bag_zip,
        )
}

/// The fewest digits that name a session.
const PREFIX_MIN: usize = 8;

/// What to seal.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// material, delivery or stems: has to be said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub kind: Option<Kind>,
    /// Song, artist, credits, as the studio asks for them; what is not said is taken from the
    /// client's draft.
    #[serde(default)]
    pub form: Form,
    /// Why required fields may stay empty; it is kept with the session.
    #[serde(default)]
    pub incomplete: Option<String>,
}

/// Why a session is taken in spite of findings.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Needed if a finding refuses it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Why a session goes back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Return {
    /// What is wrong; the client reads it. At least one.
    #[serde(default)]
    pub reasons: Vec<String>,
}

pub(super) async fn uploads(
    _: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
) -> Answer<Json<Uploads>> {
    let order = app.vault.core.order(id_of(&app, &number).await?).await?;
    let uploads = app.vault.rows.listed(order.id).await?;
    Ok(Json(listed(&app, &order, &uploads, None).await?))
}

/// Removes an upload: an engineer tidies up what a client left.
pub(super) async fn remove(
    staff: Staff,
    State(app): State<SharedApp>,
    Path((number, upload)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let order = id_of(&app, &number).await?;
    let upload: UploadId = upload.parse().map_err(|error| {
        let message = format!("{error}: `stemvault upload list` names them");
        Refusal::new(RefusalKind::BadRequest, message)
    })?;
    staff.vault(&app).uploads.terminate(order, upload).await?;
    tracing::info!(order = number, %upload, "upload removed");
    Ok(StatusCode::NO_CONTENT)
}

/// What whoever uploads as the studio says of the files that were sent.
pub(super) async fn compared(
    _: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(said): Body<Hashes>,
) -> Answer<Json<Confirmed>> {
    let order = id_of(&app, &number).await?;
    Ok(Json(confirm(&app, order, None, &said).await?))
}

pub(super) async fn submit(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(new): Body<NewSession>,
) -> Answer<(StatusCode, Json<Receipt>)> {
    let order = id_of(&app, &number).await?;
    // Material that the client is still sending would be sealed in place of a mix.
    let kind = new.kind.ok_or_else(|| {
        let message = format!(
            "nothing says what of order {number} is to be submitted: send \"kind\", as {}",
            Kind::choices("")
        );
        Refusal::new(RefusalKind::BadRequest, message)
    })?;
    let incomplete = new.incomplete;
    let incomplete = incomplete.map(|reason| checked("reason", &reason));
    let incomplete = incomplete.transpose()?;
    let form = if kind == Kind::Material {
        // The engineer adds to what the client wrote.
        let mut form = known_form(&app, order).await?;
        form.extend(new.form);
        form
    } else {
        new.form
    };
    let form = Some(form);
    let filled = Filled {
        form,
        incomplete,
        left_out: LeftOut::default(),
    };
    let receipt = seal(&app, order, kind, filled, staff.who()).await?;
    tracing::info!(order = number, session = %receipt.row.session, "{kind} submitted");
    Ok((StatusCode::CREATED, Json(Receipt::for_staff(&receipt))))
}

pub(super) async fn show(
    _: Staff,
    State(app): State<SharedApp>,
    Path((number, session)): Path<(String, String)>,
) -> Answer<Json<Receipt>> {
    let (order, session) = named(&app, &number, &session).await?;
    receipt(&app, order, session).await
}

pub(super) async fn file(
    staff: Staff,
    State(app): State<SharedApp>,
    Path((number, session, path)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Answer {
    let (order, session) = named(&app, &number, &session).await?;
    let source = app.vault.outlet.file(order, session, &path).await?;
    let asked = by_staff(&method, &headers, &extensions);
    let response = download::serve(&app, source, &asked).await?;
    let status = response.status();
    download::note(&app, staff.who(), (order, session), &method, status).await;
    Ok(response)
}

fn by_staff<'a>(
    method: &'a Method,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
) -> Asked<'a> {
    Asked {
        link: None,
        method,
        headers,
        extensions,
    }
}

pub(super) async fn bag(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(names): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Answer {
    let asked = by_staff(&method, &headers, &extensions);
    bag_as(&app, &staff, names, bag::Form::Parts, &asked).await
}

pub(super) async fn bag_zip(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(names): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Answer {
    let asked = by_staff(&method, &headers, &extensions);
    bag_as(&app, &staff, names, bag::Form::Zip, &asked).await
}

async fn bag_as(
    app: &App,
    staff: &Staff,
    (number, session): (String, String),
    form: bag::Form,
    asked: &Asked<'_>,
) -> Answer {
    let (order, session) = named(app, &number, &session).await?;
    bag::serve(app, staff.who(), (order, session), form, asked).await
}

pub(super) async fn accept(
    staff: Staff,
    State(app): State<SharedApp>,
    Path((number, session)): Path<(String, String)>,
    Body(Acceptance { reason }): Body<Acceptance>,
) -> Answer<Json<Receipt>> {
    let (order, session) = named(&app, &number, &session).await?;
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    staff
        .vault(&app)
        .sessions
        .accept(order, session, reason)
        .await?;
    tracing::info!(order = number, %session, "session accepted");
    receipt(&app, order, session).await
}

pub(super) async fn give_back(
    staff: Staff,
    State(app): State<SharedApp>,
    Path((number, session)): Path<(String, String)>,
    Body(Return { reasons }): Body<Return>,
) -> Answer<Json<Receipt>> {
    let (order, session) = named(&app, &number, &session).await?;
    let vault = staff.vault(&app);
    vault
        .sessions
        .return_session(order, session, reasons)
        .await?;
    tracing::info!(order = number, %session, "session returned");
    receipt(&app, order, session).await
}

async fn receipt(app: &App, order: OrderId, session: SessionId) -> Answer<Json<Receipt>> {
    let receipt = app.vault.manifests.receipt(order, session).await?;
    Ok(Json(Receipt::for_staff(&receipt)))
}

/// The order and the session that a URL names.
async fn named(app: &App, number: &str, session: &str) -> Answer<(OrderId, SessionId)> {
    let order = id_of(app, number).await?;
    Ok((order, find(app, order, number, session).await?))
}

/// The session that a URL names: its whole id, or the start of it.
///
/// # Errors
/// When it is no such thing, or names none or several sessions of the order.
pub async fn find(app: &App, order: OrderId, number: &str, text: &str) -> Answer<SessionId> {
    if let Ok(session) = text.parse() {
        return Ok(session);
    }
    let rows = app.vault.core.sessions(order).await?;
    Ok(pick(rows.iter().map(|row| row.session), number, text)?)
}

fn pick(
    sessions: impl Iterator<Item = SessionId>,
    number: &str,
    text: &str,
) -> Result<SessionId, Refusal> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() < PREFIX_MIN || !digits {
        let message = format!(
            "{text:?} names no session: write its id, 64 hex digits, or at least the first {PREFIX_MIN}"
        );
        return Err(Refusal::new(RefusalKind::BadRequest, message));
    }
    let start = text.to_ascii_lowercase();
    let mut found = sessions.filter(|session| session.to_string().starts_with(&start));
    match (found.next(), found.next()) {
        (Some(session), None) => Ok(session),
        (None, _) => Err(Refusal::new(
            RefusalKind::NotFound,
            format!(
                "order {number} has no session {text}: `stemvault session list {number}` shows them"
            ),
        )),
        (Some(_), Some(_)) => Err(Refusal::new(
            RefusalKind::BadRequest,
            format!("several sessions of order {number} begin with {text}: write more of the id"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_an_id_is_enough_if_only_one_has_it() {
        let mut one = [0xab; 32];
        let other = SessionId(one);
        one[4] = 1;
        let all = [SessionId(one), other];
        let pick = |text| pick(all.into_iter(), "2026-0117", text);
        assert_eq!(pick("ABABABAB01").unwrap(), SessionId(one));
        assert_eq!(pick("abababababab").unwrap(), other);
        let no = |text| pick(text).unwrap_err().kind;
        assert_eq!(no("abababab"), RefusalKind::BadRequest);
        assert_eq!(no("ababab"), RefusalKind::BadRequest);
        assert_eq!(no("nonsense"), RefusalKind::BadRequest);
        assert_eq!(no("00000000"), RefusalKind::NotFound);
    }
}

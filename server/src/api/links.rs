//! Links: made here, shown once, taken back.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_config::parse_size;
use stemvault_storage::ids::{LinkId, Token};
use stemvault_storage::link::{Link, LinkMost, Scope};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::orders::id_of;
use super::sessions::find;
use super::when::when;
use crate::app::{App, SharedApp};
use crate::error::Answer;
use crate::route::{Routes, nothing, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(post "/api/v1/orders/{number}/links" Token schema::<NewLink>() => 201 schema::<MadeLink>(); "Make a link; its URL is shown this once"),
            create,
        )
        .on(
            route!(delete "/api/v1/links/{link}" Token nothing() => 204 nothing(); "Take a link back"),
            revoke,
        )
}

/// What a link is to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// upload, session or file.
    pub scope: String,
    /// Which session, for the scopes session and file.
    #[serde(default)]
    pub session: Option<String>,
    /// Which file, for the scope file.
    #[serde(default)]
    pub path: Option<String>,
    /// A moment (RFC 3339), a day of the studio (2026-11-23, to its end) or a span (14 days).
    /// Absent: an upload link lasts until the material is accepted, others until the purge.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// What may be uploaded by it, for the scope upload: bytes (50000000000), or with a unit
    /// (50 GB). Absent: as by any link.
    #[serde(default)]
    pub max_bytes: Option<String>,
    /// Files that may be uploaded by it, for the scope upload. Absent: as by any link.
    #[serde(default)]
    pub max_files: Option<u64>,
}

/// A link with its URL, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeLink {
    /// How lists and logs name it.
    pub id: String,
    /// Whoever has it may do what it is for.
    pub url: String,
    /// upload, session or file.
    pub scope: &'static str,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

impl MadeLink {
    /// A link as it is handed out.
    #[must_use]
    pub fn of(app: &App, link: &Link, token: &Token) -> Self {
        Self {
            id: link.id.to_string(),
            url: app.link_url(&link.scope, token),
            scope: link.scope.name(),
            expires_at: link.expires_at,
        }
    }
}

pub(super) async fn create(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(new): Body<NewLink>,
) -> Answer<(StatusCode, Json<MadeLink>)> {
    let order = id_of(&app, &number).await?;
    check_fields(&new)?;
    let most = most(&new)?;
    let session = match &new.session {
        Some(session) => Some(find(&app, order, &number, session).await?),
        None => None,
    };
    let scope = match (session, new.path) {
        (None, _) => Scope::Upload,
        (Some(session), None) => Scope::Session { session },
        (Some(session), Some(path)) => Scope::File { session, path },
    };
    let now = app.clock.now();
    let zone = app.settings.orders.time_zone;
    let expires_at = new.expires_at.map(|text| when(&text, now, zone));
    let expires_at = expires_at.transpose()?;
    if expires_at.is_some_and(|end| end <= now) {
        let message = "the link would have ended before it begins: let it expire later";
        return Err(Refusal::new(RefusalKind::BadRequest, message).into());
    }
    let vault = staff.vault(&app);
    let made = vault
        .access
        .create_link_with(order, scope, expires_at, most);
    let (link, token) = made.await?;
    tracing::info!(order = number, link = %link.id, scope = link.scope.name(), "link made");
    Ok((StatusCode::CREATED, Json(MadeLink::of(&app, &link, &token))))
}

pub(super) async fn revoke(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let id: LinkId = id.parse().map_err(|error| {
        Refusal::new(
            RefusalKind::BadRequest,
            format!("{error}; `stemvault order show NUMBER` lists the links of an order"),
        )
    })?;
    let link = staff.vault(&app).access.revoke_link(id).await?;
    tracing::info!(link = %link.id, "link revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// What may be uploaded by it.
fn most(new: &NewLink) -> Result<LinkMost, Refusal> {
    let bad = |message: String| Refusal::new(RefusalKind::BadRequest, message);
    let max_bytes = new.max_bytes.as_deref().map(|text| {
        let plain = text.trim().parse();
        plain.or_else(|_| parse_size(text).map_err(|why| bad(format!("max_bytes: {why}"))))
    });
    let most = LinkMost {
        max_bytes: max_bytes.transpose()?,
        max_files: new.max_files,
    };
    if new.scope != "upload" && most != LinkMost::default() {
        let message = "max_bytes and max_files are for upload links: leave them out";
        return Err(bad(message.to_owned()));
    }
    if most.max_bytes == Some(0) || most.max_files == Some(0) {
        let message = "a link that takes nothing is of no use: write at least 1, or leave max_bytes and max_files out";
        return Err(bad(message.to_owned()));
    }
    Ok(most)
}

/// Whether session and path are there exactly if the scope needs them.
fn check_fields(new: &NewLink) -> Result<(), Refusal> {
    let (session, path) = match new.scope.as_str() {
        "upload" => (false, false),
        "session" => (true, false),
        "file" => (true, true),
        other => {
            let message = format!("{other:?} is no scope of a link: write upload, session or file");
            return Err(Refusal::new(RefusalKind::BadRequest, message));
        }
    };
    for (field, wanted, there) in [
        ("session", session, new.session.is_some()),
        ("path", path, new.path.is_some()),
    ] {
        if wanted != there {
            let advice = if wanted { "add" } else { "leave out" };
            let message = format!("a link of scope {}: {advice} the field {field}", new.scope);
            return Err(Refusal::new(RefusalKind::BadRequest, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_takes_is_said_in_bytes_or_with_a_unit() {
        let most = |json: &str| most(&serde_json::from_str(json).unwrap());
        let said = r#"{"scope":"upload","max_bytes":"5 GB","max_files":20}"#;
        let expected = LinkMost {
            max_bytes: Some(5_000_000_000),
            max_files: Some(20),
        };
        assert_eq!(most(said).unwrap(), expected);
        let said = r#"{"scope":"upload","max_bytes":"5000000000","max_files":20}"#;
        assert_eq!(most(said).unwrap(), expected);
        for bad in [
            r#"{"scope":"upload","max_bytes":"much"}"#,
            r#"{"scope":"upload","max_bytes":"0"}"#,
            r#"{"scope":"session","session":"ab","max_files":1}"#,
        ] {
            assert_eq!(
                most(bad).unwrap_err().kind,
                RefusalKind::BadRequest,
                "{bad}"
            );
        }
    }

    #[test]
    fn each_scope_has_its_fields() {
        let check = |json: &str| check_fields(&serde_json::from_str(json).unwrap());
        assert!(check(r#"{"scope":"upload"}"#).is_ok());
        assert!(check(r#"{"scope":"session","session":"ab"}"#).is_ok());
        assert!(check(r#"{"scope":"file","session":"ab","path":"a.wav"}"#).is_ok());
        for bad in [
            r#"{"scope":"upload","session":"ab"}"#,
            r#"{"scope":"session"}"#,
            r#"{"scope":"session","session":"ab","path":"a.wav"}"#,
            r#"{"scope":"file","session":"ab"}"#,
            r#"{"scope":"listen"}"#,
        ] {
            assert_eq!(
                check(bad).unwrap_err().kind,
                RefusalKind::BadRequest,
                "{bad}"
            );
        }
    }
}

//! API tokens: made here, shown once, taken back.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::{Batch, Catalog, Expect};
use stemvault_storage::error::Result;
use stemvault_storage::ids::{LinkId, Token};
use stemvault_storage::link::{ApiToken, Digest};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::tables::{self, load_all, put};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::when::when;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::route::{Routes, nothing, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/tokens" Token nothing() => 200 schema::<Tokens>(); "All API tokens"),
            list,
        )
        .on(
            route!(post "/api/v1/tokens" Token schema::<NewToken>() => 201 schema::<MadeToken>(); "Make an API token; it is shown this once"),
            create,
        )
        .on(
            route!(delete "/api/v1/tokens/{token}" Token nothing() => 204 nothing(); "Take an API token back"),
            revoke,
        )
}

/// How long a token opens something unless it is asked otherwise, in days.
pub const DAYS: i64 = 365;

/// The longest name of a token, in bytes.
const NAME_MAX: usize = 200;

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For what or whom it is.
    pub name: String,
    /// A moment (RFC 3339), a day of the studio (2026-11-23, to its end) or a span (30 days); 365
    /// days if absent.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// A token with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeToken {
    /// How lists and logs name it.
    pub id: String,
    /// What to send as `Authorization: Bearer TOKEN`.
    pub token: String,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenLine {
    /// How lists and logs name it.
    pub id: String,
    /// For what or whom it was made.
    pub name: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// All tokens, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// Without their secrets.
    pub tokens: Vec<TokenLine>,
}

/// Makes a token and stores its digest.
///
/// # Errors
/// A name that is empty or too long; those of the catalog.
pub async fn make(
    catalog: &dyn Catalog,
    name: &str,
    now: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(ApiToken, Token)> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_MAX {
        let message =
            format!("a token has a name of 1 to {NAME_MAX} bytes, for what or whom it is");
        return Err(Refusal::new(RefusalKind::BadRequest, message).into());
    }
    if expires_at.is_some_and(|end| end <= now) {
        let message = "the token would have ended before it begins: let it expire later";
        return Err(Refusal::new(RefusalKind::BadRequest, message).into());
    }
    let token = Token::random();
    let row = ApiToken {
        id: LinkId::random(),
        name: name.to_owned(),
        created_at: now,
        expires_at,
    };
    let key = tables::token(Digest(token.digest()));
    let batch = Batch::new().expect(key.clone(), Expect::Absent);
    catalog.commit(put(batch, key, &row)).await?;
    Ok((row, token))
}

/// When a token of today ends unless it is asked otherwise.
#[must_use]
pub fn usual_end(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::days(DAYS)
}

pub(super) async fn create(
    _: Staff,
    State(app): State<SharedApp>,
    Body(new): Body<NewToken>,
) -> Answer<(StatusCode, Json<MadeToken>)> {
    let now = app.clock.now();
    let zone = app.settings.orders.time_zone;
    let expires_at = match new.expires_at {
        Some(text) => when(&text, now, zone)?,
        None => usual_end(now),
    };
    let catalog = &**app.vault.core.catalog();
    let (row, token) = make(catalog, &new.name, now, Some(expires_at)).await?;
    tracing::info!(token = %row.id, name = row.name, "API token made");
    let made = MadeToken {
        id: row.id.to_string(),
        token: token.reveal().to_owned(),
        expires_at: row.expires_at,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(_: Staff, State(app): State<SharedApp>) -> Answer<Json<Tokens>> {
    let rows = load_all::<ApiToken>(&**app.vault.core.catalog(), &tables::tokens()).await?;
    let mut tokens: Vec<_> = rows
        .into_iter()
        .map(|(_, row, _)| TokenLine {
            id: row.id.to_string(),
            name: row.name,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
        .collect();
    tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Json(Tokens { tokens }))
}

pub(super) async fn revoke(
    _: Staff,
    State(app): State<SharedApp>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let catalog = &**app.vault.core.catalog();
    let rows = load_all::<ApiToken>(catalog, &tables::tokens()).await?;
    let found = rows
        .into_iter()
        .find(|(_, row, _)| row.id.to_string() == id);
    let Some((key, row, _)) = found else {
        let message =
            format!("there is no API token {id}: `stemvault token list` shows them by their ids");
        return Err(Refusal::new(RefusalKind::NotFound, message).into());
    };
    catalog
        .commit(Batch::new().delete(key))
        .await
        .map_err(stemvault_storage::Error::from)?;
    tracing::info!(token = %row.id, name = row.name, "API token revoked");
    Ok(StatusCode::NO_CONTENT)
}

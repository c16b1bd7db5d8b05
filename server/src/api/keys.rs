//! Keys: which master key wraps how many, changing it, and backups of the key store.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_config::MasterKeySource;
use stemvault_storage::key_care::BackupNote;
use stemvault_storage::key_care::rotate::{KeyState, Rotation};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use crate::app::{App, SharedApp};
use crate::error::Answer;
use crate::route::{Routes, media, nothing, route, schema};
use stemvault_client::attachment::disposition;

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/keys" Token nothing() => 200 schema::<Keys>(); "Master keys, how many keys each wraps, and backups of the key store"),
            show,
        )
        .on(
            route!(post "/api/v1/keys/rotate" Token schema::<WhichMaster>() => 200 schema::<Rotated>(); "Wrap every key again with the first master key at hand"),
            rotate,
        )
        .on(
            route!(post "/api/v1/keys/retire" Token schema::<WhichMaster>() => 200 schema::<Keys>(); "A master key that wraps nothing opens nothing any more"),
            retire,
        )
        .on(
            route!(post "/api/v1/keys/backup" Token nothing() => 200 media("application/x-ndjson"); "A backup of the key store: wrapped keys, no master key. It must be destroyed after 30 days"),
            backup,
        )
}

/// Master keys and backups of the key store; no secret of either.
#[derive(Debug, Serialize, ToSchema)]
pub struct Keys {
    /// The master key that wraps the keys of new orders.
    pub current: String,
    /// Where master keys come from: `file` or `environment`.
    pub from: &'static str,
    /// All that are at hand, wrap something, or were retired.
    pub masters: Vec<Master>,
    /// Backups of the key store, oldest first; those that ended long ago are forgotten.
    pub backups: Vec<KeyBackup>,
    /// When the last backup ends that may hold a key of today; none if there is no backup.
    pub last_backup_ends_at: Option<DateTime<Utc>>,
    /// Keys that cannot be read, in sentences.
    pub problems: Vec<String>,
}

/// A master key.
#[derive(Debug, Serialize, ToSchema)]
pub struct Master {
    /// Says which it is, and nothing about it.
    pub id: String,
    /// How many keys it wraps.
    pub keys: u64,
    /// `current`; `next` (in front, to be made current by a rotation); `old` (at hand); `missing`
    /// (wraps keys, and is not at hand); `retired`.
    pub state: &'static str,
}

/// A backup of the key store.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyBackup {
    /// Its name.
    pub name: String,
    /// When it was begun.
    pub made_at: DateTime<Utc>,
    /// When it has to be destroyed: until then a key that was purged meanwhile is in it.
    pub ends_at: DateTime<Utc>,
    /// Whether that is over.
    pub ended: bool,
    /// How many keys it holds; none if it was not finished.
    pub keys: Option<u64>,
    /// The BLAKE3 that its last line names.
    pub hash: Option<String>,
}

/// Which master key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhichMaster {
    /// Its id.
    pub master: String,
}

/// What came of a rotation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rotated {
    /// Keys that were wrapped again.
    pub wrapped: u64,
    /// What could not be, in sentences.
    pub problems: Vec<String>,
    /// How it stands now.
    pub keys: Keys,
}

pub(super) async fn show(_: Staff, State(app): State<SharedApp>) -> Answer<Json<Keys>> {
    Ok(Json(keys(&app).await?))
}

pub(super) async fn rotate(
    _: Staff,
    State(app): State<SharedApp>,
    Body(to): Body<WhichMaster>,
) -> Answer<Json<Rotated>> {
    let vault = app.vault.clone();
    let master = to.master.clone();
    // In a task of its own: whoever asked may go away, and the rotation goes on.
    let done = tokio::spawn(async move { vault.rotation.rotate_keys(&master).await });
    let Rotation { wrapped, problems } = done.await.expect("a rotation does not panic")?;
    tracing::info!(
        master = to.master,
        wrapped,
        problems = problems.len(),
        "keys were wrapped again"
    );
    for problem in &problems {
        tracing::error!(problem, "a key was not wrapped again");
    }
    let keys = keys(&app).await?;
    Ok(Json(Rotated {
        wrapped,
        problems,
        keys,
    }))
}

pub(super) async fn retire(
    _: Staff,
    State(app): State<SharedApp>,
    Body(which): Body<WhichMaster>,
) -> Answer<Json<Keys>> {
    app.vault.rotation.retire_master(&which.master).await?;
    tracing::info!(master = which.master, "master key retired");
    Ok(Json(keys(&app).await?))
}

pub(super) async fn backup(_: Staff, State(app): State<SharedApp>) -> Answer {
    let (note, file) = app.vault.key_backup.back_up_keys().await?;
    tracing::info!(
        backup = note.name,
        keys = note.keys,
        ends_at = %note.ends_at,
        "backup of the key store made"
    );
    app.jobs.measure_key_backup().await;
    let mut response: Response = file.into_response();
    let name = format!("keys-{}.jsonl", note.name);
    let said = HeaderValue::try_from(disposition(&name)).expect("made of plain ASCII");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, said);
    let kind = HeaderValue::from_static("application/x-ndjson");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn keys(app: &App) -> Answer<Keys> {
    let now = app.clock.now();
    let state = app.vault.rotation.key_state().await?;
    let backups = app.vault.backups.backups().await?;
    let from = match app.settings.keys.master_key {
        MasterKeySource::File(_) => "file",
        MasterKeySource::Environment(_) => "environment",
    };
    Ok(Keys {
        from,
        masters: masters(&state),
        backups: backups.into_iter().map(|note| line(note, now)).collect(),
        last_backup_ends_at: app.vault.backups.last_backup_ends(now).await?,
        current: state.current,
        problems: state.problems,
    })
}

fn masters(state: &KeyState) -> Vec<Master> {
    let retired = state.retired.iter().map(|id| (id, 0));
    let known = state.masters.iter().map(|(id, keys)| (id, *keys));
    let mut all: Vec<_> = known.collect();
    all.extend(retired.filter(|(id, _)| !state.masters.contains_key(*id)));
    let said = |id: &String| match () {
        () if *id == state.current => "current",
        () if state.retired.contains(id) => "retired",
        () if state.at_hand.first() == Some(id) => "next",
        () if state.at_hand.contains(id) => "old",
        () => "missing",
    };
    let master = |(id, keys): (&String, u64)| Master {
        id: id.clone(),
        keys,
        state: said(id),
    };
    all.into_iter().map(master).collect()
}

fn line(note: BackupNote, now: DateTime<Utc>) -> KeyBackup {
    KeyBackup {
        name: note.name,
        made_at: note.made_at,
        ends_at: note.ends_at,
        ended: note.ends_at <= now,
        keys: note.keys,
        hash: note.hash,
    }
}

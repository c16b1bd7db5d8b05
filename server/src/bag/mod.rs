//! A session as a bag (BagIt 1.0, RFC 8493): what the studio hands over to whoever keeps it next.
//!
//! A bag is a folder: the files under `data/`, manifests with their SHA-256 and SHA-512, and what
//! there is to know about them. Here is everything but the files. `bagit.txt`, without which a
//! folder is no bag, always comes last.

mod events;
pub mod stream;
pub mod tags;

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stemvault_storage::audit::Actor;
use stemvault_storage::ids::{OrderId, SessionId};
use stemvault_storage::session::{Manifest, Receipt};
use utoipa::ToSchema;

use crate::app::App;
use crate::download;
use crate::error::Answer;
use crate::turns::Asked;
use crate::wire;
use tags::Tag;

/// Everything of a bag but the bytes of its files, and the manifests that follow from them.
#[derive(Debug, Serialize, ToSchema)]
pub struct BagParts {
    /// The name of its folder.
    pub name: String,
    /// Its files: they go below `data/`.
    pub receipt: wire::Receipt,
    /// Files beside `data/`, before the manifests.
    pub tags: Vec<BagTag>,
}

/// A file of a bag that is none of the session's.
#[derive(Debug, Serialize, ToSchema)]
pub struct BagTag {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// A bag that may leave.
#[derive(Debug)]
pub struct Bag {
    name: String,
    order: OrderId,
    session: SessionId,
    manifest: Arc<Manifest>,
    receipt: wire::Receipt,
    tags: Vec<Tag>,
}

/// In which form a bag is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole, as a zip.
    Zip,
    /// Its parts, for a program that fetches the files one by one.
    Parts,
}

impl Form {
    /// What the query of a link asks for, if it asks for a bag.
    #[must_use]
    pub fn asked(query: Option<&str>) -> Option<Self> {
        let mut words = query?.split('&');
        match words.find_map(|word| word.strip_prefix("bag="))? {
            "zip" => Some(Self::Zip),
            "parts" => Some(Self::Parts),
            _ => None,
        }
    }
}

/// Answers with a bag.
///
/// # Errors
/// When the session may not leave now; when its first bytes are damaged; when too many downloads
/// run at once.
pub async fn serve(
    app: &App,
    who: Actor,
    (order, session): (OrderId, SessionId),
    form: Form,
    asked: &Asked<'_>,
) -> Answer {
    let bag = Bag::of(app, order, session).await?;
    let response = match form {
        Form::Zip => stream::zip(app, bag, asked).await?,
        Form::Parts => parts(bag),
    };
    download::note(app, who, (order, session), asked.method, response.status()).await;
    Ok(response)
}

fn parts(bag: Bag) -> Response {
    let tag = |tag: Tag| BagTag {
        name: tag.name.to_owned(),
        text: String::from_utf8_lossy(&tag.bytes).into_owned(),
    };
    Json(BagParts {
        name: bag.name,
        receipt: bag.receipt,
        tags: bag.tags.into_iter().map(tag).collect(),
    })
    .into_response()
}

impl Bag {
    /// The bag of a session, if its files may leave now.
    ///
    /// # Errors
    /// Not found; gone, with the date and what to do; those of stores and catalog.
    pub async fn of(app: &App, order: OrderId, session: SessionId) -> Answer<Self> {
        let receipt = app.vault.manifests.receipt(order, session).await?;
        let order = app.vault.core.order(order).await?;
        app.vault
            .leave
            .check_may_leave(&order, &receipt.row)
            .await?;
        let document = app
            .vault
            .manifests
            .manifest_bytes(order.id, session)
            .await?;
        let now = app.clock.now();
        let day = now.with_timezone(&app.settings.orders.time_zone);
        let events = events::events(&order, &receipt, now);
        let tags = vec![
            Tag {
                name: tags::INFO,
                bytes: info(&receipt, &day.format("%F").to_string()).into(),
            },
            Tag {
                name: "session-manifest.json",
                bytes: document,
            },
            Tag {
                name: "events.json",
                bytes: events.into(),
            },
        ];
        let start: String = session.to_string().chars().take(16).collect();
        Ok(Self {
            name: folder(&format!("{}-{start}", order.number)),
            order: order.id,
            session,
            receipt: wire::Receipt::from(&receipt),
            manifest: receipt.manifest,
            tags,
        })
    }
}

/// A name that every file system takes.
fn folder(name: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_alphanumeric() || "-_.".contains(c) => c,
        _ => '_',
    };
    name.chars().map(plain).collect()
}

fn info(receipt: &Receipt, day: &str) -> String {
    let manifest = &receipt.manifest;
    format!(
        "External-Identifier: {}\nInternal-Sender-Identifier: {}\nInternal-Sender-Description: {} of order {}, submitted {}\nBagging-Date: {day}\nPayload-Oxum: {}.{}\nBag-Software-Agent: Stemvault {}\n",
        manifest.number,
        receipt.row.session,
        manifest.kind,
        manifest.number,
        manifest.sealed_at.format("%F"),
        manifest.bytes(),
        manifest.files.len(),
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_asks_for_a_bag_by_its_query() {
        assert_eq!(Form::asked(Some("a=b&bag=zip")), Some(Form::Zip));
        assert_eq!(Form::asked(Some("bag=parts")), Some(Form::Parts));
        for none in [
            None,
            Some(""),
            Some("bag"),
            Some("bag=tar"),
            Some("sandbag=zip"),
        ] {
            assert_eq!(Form::asked(none), None, "{none:?}");
        }
        assert_eq!(folder("2026/0117 ä:x-ab"), "2026_0117_ä_x-ab");
    }
}

//! Who may upload where: an API token opens every order, an upload link opens its own.

use std::sync::Arc;

use axum::http::HeaderMap;
use stemvault_storage::Vault;
use stemvault_storage::audit::Actor;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::intake::ByLink;
use stemvault_storage::link::Link;
use stemvault_storage::order::OrderNumber;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::Kind;

use super::metadata::Metadata;
use super::upload_id;
use crate::api::auth::Staff;
use crate::app::App;
use crate::error::{Answer, Failure};
use crate::upload_link;

/// Under which address a request came.
#[derive(Debug)]
pub(crate) enum Mount {
    /// `/files/`.
    Files,
    /// `/u/{link}`.
    Link(String),
}

impl Mount {
    /// The address of an upload, without the host: right behind any proxy that keeps paths.
    pub(crate) fn location(&self, app: &App, upload: UploadId) -> String {
        let before = app.public_url.path().trim_end_matches('/');
        match self {
            Self::Files => format!("{before}/files/{upload}"),
            Self::Link(link) => format!("{before}/u/{link}/{upload}"),
        }
    }
}

/// What the credential of a request opens.
#[derive(Debug)]
pub(crate) enum Door {
    /// Every order.
    Staff(Staff),
    /// Material of one order.
    Link(Link),
}

impl Door {
    /// Checks the credential.
    pub(crate) async fn open(app: &App, mount: &Mount, headers: &HeaderMap) -> Answer<Self> {
        match mount {
            Mount::Files => Ok(Self::Staff(Staff::of(app, headers).await?)),
            Mount::Link(link) => Ok(Self::Link(upload_link(app, link).await?)),
        }
    }

    /// The link that a new file comes by, with what it takes.
    pub(crate) fn by_link(&self) -> Option<ByLink> {
        match self {
            Self::Staff(_) => None,
            Self::Link(link) => Some(link.into()),
        }
    }

    /// The vault in the hands of whoever came: what they decide bears their pseudonym.
    pub(crate) fn vault(&self, app: &App) -> Arc<Vault> {
        match self {
            Self::Staff(staff) => staff.vault(app),
            Self::Link(link) => app.vault.by(Actor::Link(link.id)),
        }
    }

    /// The order and kind of a new file.
    pub(crate) async fn order(&self, app: &App, metadata: &Metadata) -> Answer<(OrderId, Kind)> {
        let number = metadata.get("order")?.filter(|number| !number.is_empty());
        let said = metadata.kind()?;
        match self {
            Self::Staff(_) => {
                let number = number.ok_or_else(|| {
                    let message = format!(
                        "the file has no order number: send it as \"order\" in {}, for instance {}",
                        metadata.place(),
                        app.settings.orders.number_example
                    );
                    Refusal::new(RefusalKind::BadMetadata, message)
                })?;
                let number = order_number(app, number)?;
                let order = app.vault.core.order_id(&number).await?;
                // A mix that was filed as material would go to nobody.
                let kind = said.ok_or_else(|| {
                    let message = format!(
                        "nothing says what this file of order {number} is: send its \"kind\" in {}, as {}",
                        metadata.place(),
                        Kind::choices("")
                    );
                    Refusal::new(RefusalKind::BadMetadata, message)
                })?;
                Ok((order, kind))
            }
            Self::Link(link) => {
                let order = app.vault.core.order(link.order).await?;
                if let Some(other) = number.filter(|number| *number != order.number.as_str()) {
                    let message = format!(
                        "this link is for order {}, not {other}: use the link of that order, or leave the number out",
                        order.number
                    );
                    return Err(Refusal::new(RefusalKind::BadMetadata, message).into());
                }
                if let Some(kind) = said.filter(|kind| *kind != Kind::Material) {
                    let message = format!(
                        "this link takes material, not {kind}: leave \"kind\" out of the upload"
                    );
                    return Err(Refusal::new(RefusalKind::BadMetadata, message).into());
                }
                Ok((order.id, Kind::Material))
            }
        }
    }

    /// The upload that an address names, with its order. What this door does not open is not
    /// there.
    pub(crate) async fn upload(&self, app: &App, name: &str) -> Answer<(OrderId, UploadId)> {
        let missing = || {
            let message =
                "there is no such upload here: it was removed or has expired, begin it again";
            Failure::refused(RefusalKind::NotFound, message)
        };
        let id = upload_id(name).ok_or_else(missing)?;
        match self {
            Self::Staff(_) => Ok((app.vault.rows.order_of_upload(id).await?, id)),
            Self::Link(link) => {
                let upload = app.vault.rows.upload(link.order, id).await?;
                if upload.kind != Kind::Material {
                    return Err(missing());
                }
                Ok((link.order, id))
            }
        }
    }
}

/// The upload link that `text` is.
pub(super) async fn upload_link(app: &App, text: &str) -> Answer<Link> {
    upload_link::open(app, text).await
}

/// An order number of the studio's form.
fn order_number(app: &App, text: &str) -> Result<OrderNumber, Refusal> {
    let orders = &app.settings.orders;
    let number = OrderNumber::try_from(text.to_owned())?;
    if !orders.number_pattern.is_match(number.as_str()) {
        let message = format!(
            "{number} is not an order number of this studio: it looks like {}",
            orders.number_example
        );
        return Err(Refusal::new(RefusalKind::BadOrderNumber, message).of_order(&number));
    }
    Ok(number)
}

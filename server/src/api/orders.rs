//! Orders: create, list, look at. The verbs of their life: [`verbs`](super::verbs).

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use stemvault_storage::ids::OrderId;
use stemvault_storage::link::Scope;
use stemvault_storage::order::{self, Client, OrderNumber, Stage};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::links::MadeLink;
use super::order::{NotSubmitted, Order};
use crate::app::{App, SharedApp};
use crate::error::Answer;
use crate::route::{Routes, nothing, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/orders" Token nothing() => 200 schema::<Orders>(); "All orders, by number"),
            list,
        )
        .on(
            route!(post "/api/v1/orders" Token schema::<NewOrder>() => 201 schema::<Order>(); "Create an order, and on request its upload link"),
            create,
        )
        .on(
            route!(get "/api/v1/orders/{number}" Token nothing() => 200 schema::<Order>(); "An order with its sessions and links"),
            show,
        )
}

/// A new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The studio's own number; its form is a setting.
    pub number: String,
    /// Band, label or person.
    pub client: String,
    /// Where notices go.
    #[serde(default)]
    pub email: Option<String>,
    /// The record's or song's title.
    #[serde(default)]
    pub title: Option<String>,
    /// Whether to make an upload link with it.
    #[serde(default)]
    pub upload_link: bool,
}

/// All orders, by number.
#[derive(Debug, Serialize, ToSchema)]
pub struct Orders {
    /// Without their sessions and links.
    pub orders: Vec<Order>,
}

/// The order of the number in a URL.
///
/// # Errors
/// When it is no number, or there is no such order.
pub async fn id_of(app: &App, number: &str) -> Answer<OrderId> {
    let number = OrderNumber::try_from(number.to_owned())?;
    Ok(app.vault.core.order_id(&number).await?)
}

/// The order whole, as every change of it answers.
pub(super) async fn whole(app: &App, order: &order::Order) -> Answer<Json<Order>> {
    let sessions = app.vault.core.sessions(order.id).await?;
    let links = app.vault.core.links(order.id).await?;
    let last = app.vault.proofs.last_proven(order).await?;
    let mut shown = Order::of(order).proven(last.as_ref());
    shown.stands_still = app.vault.leave.stands_still(order).await;
    if order.is_gone()
        && let Some(stone) = app.vault.core.tombstone(order.id).await?
    {
        shown.key_destroyed_at = Some(stone.destroyed_at);
        shown.last_key_backup_ends_at = stone.last_backup_ends_at;
    }
    if matches!(order.stage(), Stage::Open | Stage::Sealing) {
        let uploads = app.vault.rows.uploads(order.id).await?;
        shown.not_submitted = Some(NotSubmitted::of(&uploads));
    }
    Ok(Json(shown.with(&sessions, &links)))
}

pub(super) async fn create(
    staff: Staff,
    State(app): State<SharedApp>,
    Body(new): Body<NewOrder>,
) -> Answer<(StatusCode, Json<Order>)> {
    let number = check_number(&app, new.number)?;
    let client = check_client(&new.client, new.email, new.title)?;
    let vault = staff.vault(&app);
    let order = vault.orders.create(number, client).await?;
    tracing::info!(order = %order.number, order.id = %order.id, "order created");
    let upload_link = if new.upload_link {
        let made = vault
            .access
            .create_link(order.id, Scope::Upload, None)
            .await?;
        Some(MadeLink::of(&app, &made.0, &made.1))
    } else {
        None
    };
    let order = app.vault.core.order(order.id).await?;
    let Json(shown) = whole(&app, &order).await?;
    let shown = Order {
        upload_link,
        ..shown
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) async fn list(_: Staff, State(app): State<SharedApp>) -> Answer<Json<Orders>> {
    let orders = app.vault.orders.all().await?;
    let last: HashMap<_, _> = app
        .vault
        .proofs
        .all_last_proven(&orders)
        .await?
        .into_iter()
        .collect();
    let shown = |order| Order::of(order).proven(last.get(&order.id));
    Ok(Json(Orders {
        orders: orders.iter().map(shown).collect(),
    }))
}

pub(super) async fn show(
    _: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
) -> Answer<Json<Order>> {
    let order = app.vault.core.order(id_of(&app, &number).await?).await?;
    whole(&app, &order).await
}

fn check_number(app: &App, text: String) -> Result<OrderNumber, Refusal> {
    let number = OrderNumber::try_from(text)?;
    if matches!(number.as_str(), "." | "..") {
        let message = format!("{number} is not an order number: in an address it leads elsewhere");
        return Err(Refusal::new(RefusalKind::BadOrderNumber, message));
    }
    let orders = &app.settings.orders;
    if orders.number_pattern.is_match(number.as_str()) {
        return Ok(number);
    }
    let message = format!(
        "{number} is not an order number of this studio: it looks like {} (setting orders.number_pattern)",
        orders.number_example
    );
    Err(Refusal::new(RefusalKind::BadOrderNumber, message).of_order(&number))
}

fn check_client(
    name: &str,
    email: Option<String>,
    title: Option<String>,
) -> Result<Client, Refusal> {
    let name = checked("client", name)?;
    if let Some(email) = &email {
        let sound = email.split_once('@').is_some_and(|(who, host)| {
            !who.is_empty() && !host.is_empty() && !email.chars().any(char::is_whitespace)
        });
        if !sound {
            let message = format!("{email:?} is no mail address: write name@host, or leave it out");
            return Err(Refusal::new(RefusalKind::BadRequest, message));
        }
    }
    Ok(Client { name, email, title })
}

/// A text that somebody will have to read: not empty, and of a length that the catalog takes.
pub(super) fn checked(what: &str, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let longest = stemvault_storage::TEXT_MAX;
    let message = if text.is_empty() {
        format!("the {what} is empty: say it in a few words")
    } else if text.len() > longest {
        format!(
            "the {what} has {} bytes, at most {longest} fit: shorten it",
            text.len()
        )
    } else {
        return Ok(text.to_owned());
    };
    Err(Refusal::new(RefusalKind::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_address_has_two_sides_and_no_spaces() {
        let check = |email: &str| check_client("Band", Some(email.into()), None);
        assert!(check("band@example.org").is_ok());
        for bad in ["band", "@example.org", "band@", "a b@example.org", ""] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_for_people_are_neither_empty_nor_endless() {
        assert_eq!(checked("reason", " x ").unwrap(), "x");
        assert!(checked("reason", " \n").is_err());
        assert!(checked("reason", &"x".repeat(2001)).is_err());
        assert!(check_client("  ", None, None).is_err());
    }
}

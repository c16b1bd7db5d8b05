//! Orders: create, list, look at, and the verbs of their life.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use stemvault_storage::ids::OrderId;
use stemvault_storage::link::Scope;
use stemvault_storage::order::{self, Client, OrderNumber, Policy, Stage};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::SessionRow;
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::links::MadeLink;
use super::order::{NotSubmitted, Order};
use crate::app::{App, SharedApp};
use crate::error::Answer;

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

/// Why an order is held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// For whoever asks later why it was kept.
    pub reason: String,
}

/// How long a recall lasts.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecall {
    /// 1 to 3650; the setting `retention.recall_kept` if absent.
    #[serde(default)]
    pub days: Option<u32>,
}

/// That the work is done.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// Whether an order in which there is nothing to keep is meant.
    #[serde(default)]
    pub empty: bool,
}

/// No fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The longest recall that can be asked for, in days.
const RECALL_MAX: u32 = 3650;

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

pub(super) async fn complete(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(Completion { empty }): Body<Completion>,
) -> Answer<Json<Order>> {
    let id = id_of(&app, &number).await?;
    let sessions = app.vault.core.sessions(id).await?;
    let is_returned = |row: &SessionRow| row.review.is_returned();
    if !empty && sessions.iter().all(is_returned) {
        return Err(nothing_to_keep(&number, sessions.len()).into());
    }
    let policy = Policy {
        working_days: app.settings.retention.working_kept.0,
        archive_months: app.settings.retention.archive_kept.0,
        time_zone: app.settings.orders.time_zone,
    };
    let order = staff.vault(&app).orders.complete(id, policy).await?;
    tracing::info!(order = %order.number, stage = order.stage().name(), "order completed");
    whole(&app, &order).await
}

fn nothing_to_keep(number: &str, returned: usize) -> Refusal {
    let what = if returned == 0 {
        "nothing was submitted to it"
    } else {
        "all that was submitted to it was returned"
    };
    let message = format!(
        "order {number} is not completed: {what}, so there is nothing to keep. Look at `stemvault order show {number}`; if that is as it should be, say so: `stemvault order complete {number} --empty`"
    );
    Refusal::new(RefusalKind::WrongStage, message)
}

pub(super) async fn reopen(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Answer<Json<Order>> {
    change(&app, &staff, &number, "reopened", order::Order::reopen).await
}

pub(super) async fn archive_again(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Answer<Json<Order>> {
    change(
        &app,
        &staff,
        &number,
        "to be archived again",
        order::Order::archive_again,
    )
    .await
}

pub(super) async fn hold(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(NewHold { reason }): Body<NewHold>,
) -> Answer<Json<Order>> {
    let reason = checked("reason", &reason)?;
    let hold = order::Hold {
        reason,
        at: app.clock.now(),
    };
    change(&app, &staff, &number, "held", |order| {
        order.hold(hold.clone())
    })
    .await
}

pub(super) async fn release_hold(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Answer<Json<Order>> {
    change(
        &app,
        &staff,
        &number,
        "freed of its hold",
        order::Order::release_hold,
    )
    .await
}

pub(super) async fn recall(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(NewRecall { days }): Body<NewRecall>,
) -> Answer<Json<Order>> {
    let days = days.unwrap_or(app.settings.retention.recall_kept.0);
    if !(1..=RECALL_MAX).contains(&days) {
        let message = format!("a recall lasts 1 to {RECALL_MAX} days, not {days}");
        return Err(Refusal::new(RefusalKind::BadRequest, message).into());
    }
    let until = app.clock.now() + TimeDelta::days(days.into());
    change(&app, &staff, &number, "recalled", |order| {
        order.recall(until)
    })
    .await
}

pub(super) async fn end_recall(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Answer<Json<Order>> {
    change(
        &app,
        &staff,
        &number,
        "taken back",
        order::Order::end_recall,
    )
    .await
}

async fn change(
    app: &App,
    staff: &Staff,
    number: &str,
    verb: &'static str,
    make: impl Fn(&order::Order) -> Result<order::Order, Refusal> + Send,
) -> Answer<Json<Order>> {
    let id = id_of(app, number).await?;
    let order = staff.vault(app).core.change(id, make).await?;
    tracing::info!(order = %order.number, stage = order.stage().name(), "order {verb}");
    whole(app, &order).await
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

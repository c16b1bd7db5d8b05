//! The verbs of an order's life: complete, reopen, hold, recall.

use axum::Json;
use axum::extract::{Path, State};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::Deserialize;
use stemvault_storage::order::{self, Policy};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::SessionRow;
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::order::Order;
use super::orders::{checked, id_of, whole};
use crate::app::{App, SharedApp};
use crate::error::Answer;
use crate::route::{Routes, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(post "/api/v1/orders/{number}/complete" Token schema::<Completion>() => 200 schema::<Order>(); "The work is done: both retention clocks start; an order in which there is nothing to keep is refused, unless it says that it is empty"),
            complete,
        )
        .on(
            route!(post "/api/v1/orders/{number}/reopen" Token schema::<Nothing>() => 200 schema::<Order>(); "Work goes on: both clocks stop").may_be_empty(),
            plain("reopened", order::Order::reopen),
        )
        .on(
            route!(post "/api/v1/orders/{number}/archive-again" Token schema::<Nothing>() => 200 schema::<Order>(); "The archive that did not come back is written anew from the working files; both clocks go on").may_be_empty(),
            plain("to be archived again", order::Order::archive_again),
        )
        .on(
            route!(post "/api/v1/orders/{number}/hold" Token schema::<NewHold>() => 200 schema::<Order>(); "Nothing of it is deleted until the hold is released"),
            hold,
        )
        .on(
            route!(post "/api/v1/orders/{number}/release-hold" Token schema::<Nothing>() => 200 schema::<Order>(); "Deleting may go on").may_be_empty(),
            plain("freed of its hold", order::Order::release_hold),
        )
        .on(
            route!(post "/api/v1/orders/{number}/recall" Token schema::<NewRecall>() => 200 schema::<Order>(); "The archive may be downloaded for some days").may_be_empty(),
            recall,
        )
        .on(
            route!(post "/api/v1/orders/{number}/end-recall" Token schema::<Nothing>() => 200 schema::<Order>(); "The recall ends").may_be_empty(),
            plain("taken back", order::Order::end_recall),
        )
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

/// An order after a verb.
type Changed = BoxFuture<'static, Answer<Json<Order>>>;

/// The handler of a verb that needs no more words.
fn plain(
    verb: &'static str,
    make: fn(&order::Order) -> Result<order::Order, Refusal>,
) -> impl Fn(Staff, State<SharedApp>, Path<String>, Body<Nothing>) -> Changed + Clone {
    move |staff, State(app), Path(number), Body(Nothing {})| {
        Box::pin(async move { change(&app, &staff, &number, verb, make).await })
    }
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

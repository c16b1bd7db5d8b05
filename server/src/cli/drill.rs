//! `stemvault drill`: whether the stores alone are enough, tried out without touching anything.
//!
//! Rebuilds the catalog in a scratch folder, through handles of its own that can only read the stores,
//! compares it with the catalog in use, and opens blocks chosen at random. A server may run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use indicatif::DecimalBytes;
use serde_json::{Value, json};
use stemvault_config::{Overrides, Settings};
use stemvault_storage::Vault;
use stemvault_storage::catalog::{CatalogError, Embedded};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::order::{self, OrderNumber, Stage};
use stemvault_storage::rebuild::{Rebuilt, Sample};

use super::connect::ConnectArgs;
use super::new_catalog::clear;
use super::serve::SettingsArgs;
use super::table::{count, print};
use crate::api::order::Order;
use crate::demo::clock_of;
use crate::installation::{catalog_folder, to_read};
use stemvault_client::answer::{Failure, printable};
use stemvault_client::connection::Connection;

/// How often an order that differs is looked at again, as it may just have changed.
const LOOKS: usize = 3;

/// Orders asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// How long the server has to write down what it has just decided.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Rebuild the catalog in a scratch folder, compare it with the one in use, open blocks at random
///
/// Reads the stores and writes nothing to them; a server may run meanwhile. Says how long a rebuild
/// takes. Exit code 1 if anything differs or cannot be read: put it into a weekly cron job.
#[derive(Debug, Clone, clap::Args)]
pub struct DrillArgs {
    /// How many blocks to open
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub blocks: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
    /// Where the settings are
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What a drill found.
struct Outcome {
    rebuilt: Rebuilt,
    seconds: f64,
    /// With what it was compared.
    with: &'static str,
    compared: usize,
    differences: Vec<String>,
    sample: Sample,
}

/// The catalog in use.
enum InUse {
    /// No server runs: the catalog itself.
    Itself(Embedded, Arc<Vault>),
    /// A server answers for it.
    Server(Connection),
    /// There is none.
    None,
}

/// Runs the command.
///
/// # Errors
/// When the stores cannot be read, or something differs.
pub async fn run(args: DrillArgs, machine: SharedClock) -> anyhow::Result<()> {
    let settings = args.settings.load(Overrides::default())?;
    crate::log::begin(&settings.log)?;
    let clock = clock_of(&settings.data_dir, Arc::clone(&machine))?;
    // The name is always the same, so that the next drill removes what a killed one left.
    let scratch = settings.data_dir.join("catalog.drill");
    clear(&scratch).await?;
    let catalog = Embedded::open(&scratch).await?;
    let drilled = async {
        let vault = to_read(&settings, Arc::clone(&clock), catalog.shared()).await?;
        let in_use = in_use(&settings, &clock).await?;
        let outcome = drill(&vault, &in_use, args.blocks, &machine).await;
        if let InUse::Itself(catalog, _) = in_use {
            catalog.close().await;
        }
        outcome
    };
    let drilled = Box::pin(drilled).await;
    catalog.close().await;
    clear(&scratch).await?;
    let outcome = drilled?;
    if args.json {
        print(&serde_json::to_string_pretty(&outcome.json()).context("JSON is text")?)?;
    } else {
        print(&outcome.words())?;
    }
    match outcome.faults() {
        0 => Ok(()),
        faults => bail!(
            "the drill found {}: mend them before you need a rebuild",
            count(faults as u64, "fault")
        ),
    }
}

async fn in_use(settings: &Settings, clock: &SharedClock) -> anyhow::Result<InUse> {
    let place = catalog_folder(settings);
    if !place.exists() {
        return Ok(InUse::None);
    }
    match Embedded::open(&place).await {
        Ok(catalog) => {
            let vault = to_read(settings, Arc::clone(clock), catalog.shared()).await?;
            Ok(InUse::Itself(catalog, vault))
        }
        Err(CatalogError::Locked { .. }) => {
            let connect = ConnectArgs {
                data_dir: Some(settings.data_dir.clone()),
                ..ConnectArgs::default()
            };
            Ok(InUse::Server(connect.connection()?))
        }
        Err(error) => Err(error.into()),
    }
}

async fn drill(
    vault: &Vault,
    in_use: &InUse,
    blocks: u64,
    machine: &SharedClock,
) -> anyhow::Result<Outcome> {
    let (begun, begun_at) = (machine.monotonic(), vault.core.clock().now());
    let rebuilt = vault.rebuild.rebuild_now().await?;
    let seconds = (machine.monotonic() - begun).as_secs_f64();
    let numbers = in_use.numbers().await?;
    let with = match in_use {
        InUse::Itself(..) => "the catalog, as no server runs",
        InUse::Server(_) => "the server's answers",
        InUse::None => "nothing, as there is no catalog",
    };
    let mut differences = vault.drill.marks_amiss().await?;
    if !matches!(in_use, InUse::None) {
        for order in vault.orders.all().await? {
            if !numbers.contains_key(&order.number.to_string())
                && in_use.order(&order.number).await?.is_none()
            {
                differences.push(format!(
                    "{}: the stores hold it, the catalog in use does not",
                    order.number
                ));
            }
        }
    }
    let mut looks = stream::iter(numbers.keys())
        .map(|number| look(vault, in_use, number, begun_at))
        .buffered(ASKED_AT_ONCE);
    while let Some(difference) = looks.next().await {
        differences.extend(difference?);
    }
    drop(looks);
    Ok(Outcome {
        rebuilt,
        seconds,
        with,
        compared: numbers.len(),
        differences,
        sample: vault.drill.sample_blocks(blocks).await?,
    })
}

/// In what an order differs, if it does after another look.
async fn look(
    vault: &Vault,
    in_use: &InUse,
    number: &str,
    begun_at: DateTime<Utc>,
) -> anyhow::Result<Option<String>> {
    let number = OrderNumber::try_from(number.to_owned())?;
    let mut last = None;
    for _ in 0..LOOKS {
        let Some(theirs) = in_use.order(&number).await? else {
            return Ok(None);
        };
        let ours = match vault.core.order_id(&number).await {
            Ok(id) => Some(vault.core.order(id).await?),
            Err(_) => None,
        };
        last = match &ours {
            Some(order) => differs(&theirs, &whole(vault, order).await?),
            None if gone(&theirs) || is_newer(&theirs, begun_at) => None,
            None => Some("it did not come back".to_owned()),
        };
        let (Some(_), Some(order)) = (&last, &ours) else {
            break;
        };
        tokio::time::sleep(A_MOMENT).await;
        vault.drill.rebuild_again(order).await?;
    }
    Ok(last.map(|difference| format!("{number}: {difference}")))
}

impl InUse {
    /// The numbers of its orders, each with its stage.
    async fn numbers(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let orders = match self {
            Self::None => return Ok(BTreeMap::new()),
            Self::Itself(_, vault) => {
                let orders = vault.orders.all().await?;
                json!({ "orders": orders.iter().map(Order::of).collect::<Vec<_>>() })
            }
            Self::Server(server) => server.get(&server.api(&["api", "v1", "orders"])?).await?,
        };
        let orders = orders["orders"].as_array().context("a list of orders")?;
        let text = |order: &Value, key| order[key].as_str().unwrap_or_default().to_owned();
        Ok(orders
            .iter()
            .map(|order| (text(order, "number"), text(order, "stage")))
            .collect())
    }

    /// An order whole, as it is now.
    async fn order(&self, number: &OrderNumber) -> anyhow::Result<Option<Value>> {
        match self {
            Self::None => Ok(None),
            Self::Itself(_, vault) => match vault.core.order_id(number).await {
                Ok(id) => Ok(Some(whole(vault, &vault.core.order(id).await?).await?)),
                Err(_) => Ok(None),
            },
            Self::Server(server) => {
                let url = server.api(&["api", "v1", "orders", number.as_str()])?;
                match server.get::<Value>(&url).await {
                    Ok(order) => Ok(Some(order)),
                    Err(Failure::Refused { status, .. }) if status == 404 => Ok(None),
                    Err(failure) => Err(failure.into()),
                }
            }
        }
    }
}

/// The order as the API shows it.
async fn whole(vault: &Vault, order: &order::Order) -> anyhow::Result<Value> {
    let sessions = vault.core.sessions(order.id).await?;
    let links = vault.core.links(order.id).await?;
    let sealing = matches!(order.stage(), Stage::Sealing);
    let mut shown = serde_json::to_value(Order::of(order).with(&sessions, &links))?;
    if sealing {
        shown["stage"] = json!("open");
    }
    Ok(shown)
}

/// Whether it was created while the drill was under way.
fn is_newer(order: &Value, begun_at: DateTime<Utc>) -> bool {
    let created = order["created_at"]
        .as_str()
        .map(str::parse::<DateTime<Utc>>);
    matches!(created, Some(Ok(at)) if at >= begun_at)
}

fn gone(order: &Value) -> bool {
    matches!(order["stage"].as_str(), Some("purging" | "purged"))
}

/// Without when an archive was last read again, which the snapshot knows only as of that night.
fn comparable(order: &Value) -> Value {
    let mut order = order.clone();
    if let Some(order) = order.as_object_mut() {
        // Uploads that were not submitted start again, and are told of elsewhere.
        order.remove("not_submitted");
        order.remove("stands_still");
    }
    if let Some(proof) = order.get_mut("proof").and_then(Value::as_object_mut) {
        proof.retain(|key, _| !key.starts_with("last_"));
    }
    order
}

/// What is not the same, in words. Of purged orders only the number is left to compare; a submit under
/// way starts again.
fn differs(theirs: &Value, ours: &Value) -> Option<String> {
    if gone(theirs) && gone(ours) {
        return (theirs["id"] != ours["id"]).then(|| "it is another order".to_owned());
    }
    let (theirs, ours) = (comparable(theirs), comparable(ours));
    let keys = theirs.as_object()?.keys();
    let different = keys.filter(|&key| {
        let sealing = key == "stage" && theirs[key] == "sealing" && ours[key] == "open";
        theirs[key] != ours[key] && !sealing
    });
    let different: Vec<_> = different
        .map(|key| format!("{key} is {} and came back as {}", theirs[key], ours[key]))
        .collect();
    (!different.is_empty()).then(|| different.join("; "))
}

impl Outcome {
    fn faults(&self) -> usize {
        self.rebuilt.problems.len() + self.differences.len() + self.sample.problems.len()
    }

    fn lines(&self) -> impl Iterator<Item = &String> {
        let problems = self.rebuilt.problems.iter();
        problems
            .chain(&self.differences)
            .chain(&self.sample.problems)
    }

    fn words(&self) -> String {
        let back = &self.rebuilt;
        let snapshot = back
            .snapshot
            .map_or("no catalog snapshot".to_owned(), |at| {
                format!("the catalog snapshot of {}", at.format("%F %R UTC"))
            });
        let mut words = format!(
            "rebuilt in {:.1} s: {}, {}, {}, {}, {} purged; with {snapshot}\n\
             compared with {}: {}, {}\n\
             opened: {}, {}\n",
            self.seconds,
            count(back.orders, "order"),
            count(back.sessions, "session"),
            count(back.files, "file"),
            DecimalBytes(back.bytes),
            back.purging,
            self.with,
            count(self.compared as u64, "order"),
            count(self.differences.len() as u64, "difference"),
            count(self.sample.blocks, "block"),
            DecimalBytes(self.sample.bytes),
        );
        if !back.lost.is_empty() {
            words.push_str(&format!(
                "a rebuild now would lose {} that nobody has submitted yet\n",
                count(back.lost.len() as u64, "upload")
            ));
        }
        for line in self.lines() {
            words.push_str(&format!("  - {}\n", printable(line)));
        }
        words
    }

    fn json(&self) -> Value {
        let back = &self.rebuilt;
        json!({
            "seconds": self.seconds,
            "orders": back.orders,
            "sessions": back.sessions,
            "files": back.files,
            "bytes": back.bytes.to_string(),
            "purged": back.purging,
            "snapshot": back.snapshot,
            "unsubmitted": back.lost.len(),
            "compared_with": self.with,
            "compared": self.compared,
            "blocks_opened": self.sample.blocks,
            "bytes_opened": self.sample.bytes.to_string(),
            "faults": self.lines().collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_and_what_may_differ_is_not() {
        let order = |stage, id| json!({"stage": stage, "id": id, "hold": null});
        assert_eq!(differs(&order("open", 1), &order("open", 1)), None);
        assert_eq!(differs(&order("purged", 1), &order("purging", 1)), None);
        assert_eq!(differs(&order("sealing", 1), &order("open", 1)), None);
        let proven = |at| json!({"stage": "archived", "proof": {"files": 3, "last_proven_at": at}});
        assert_eq!(differs(&proven("today"), &proven("last year")), None);
        assert!(differs(&order("purged", 1), &order("purging", 2)).is_some());
        let said = differs(&order("released", 1), &order("archived", 1)).unwrap();
        assert!(
            said.contains("released") && said.contains("archived"),
            "{said}"
        );
    }
}

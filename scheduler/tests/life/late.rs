//! What lands long after anybody waited for it, because its node slept: it may come back into what was
//! released or purged, and is found by the next look.

use std::time::Duration;

use object_store::path::Path;
use stemvault_storage::error::Error;
use stemvault_storage::order::Policy;

use crate::chance::Chance;
use crate::run::Run;
use crate::sending::Deed;
use crate::told::Told;
use crate::world::Tier;

/// A write as it lands.
pub struct Seen<'a> {
    pub tier: Tier,
    pub path: &'a Path,
    pub there: bool,
}

impl Told {
    /// A put lands. After its node slept it may land anywhere: then it has to be found later.
    pub fn landed(&mut self, seen: &Seen<'_>, woken: bool) -> Option<String> {
        let why = self.came_back(seen)?;
        if !woken {
            return Some(why);
        }
        let id = self.of(seen.path)?.id;
        let order = self.orders.iter_mut().find(|order| order.id == id)?;
        order.late = true;
        None
    }
}

/// From now on everything has landed, and was looked for.
pub fn all_has_landed(run: &Run) {
    for order in &mut run.world.state().told.orders {
        order.late = false;
    }
}

/// The watch over purged orders is over.
pub async fn watch_ends(run: &Run) -> Result<Result<(), String>, Error> {
    let watched = run.nodes[0].vault.late.watched().await?;
    if watched.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err("I5 a purged order is looked at again for ever".into()))
}

/// The other node, if one of the two sleeps.
pub fn who_watches_a_sleeper(run: &Run) -> Option<usize> {
    let asleep = run.nodes.iter().position(|node| node.life.is_asleep())?;
    let awake = (asleep + 1) % run.nodes.len();
    (!run.nodes[awake].life.is_asleep()).then_some(awake)
}

/// While the other one sleeps, this node brings an order to its end.
pub async fn outlive(run: &Run, awake: usize, chance: &mut Chance) {
    let deed = Deed {
        world: run.world.clone(),
        node: run.nodes[awake].clone(),
        order: chance.index(run.world.state().told.orders.len()),
        chance: Chance::new(chance.next()),
    };
    run.world.log("an order is brought to its end meanwhile");
    let at_once = Policy {
        working_days: 0,
        archive_months: 0,
        time_zone: chrono_tz::Tz::UTC,
    };
    deed.clone().lift().await;
    deed.clone().complete(Some(at_once)).await;
    for _ in 0..6 {
        deed.clone().jobs().await;
        tokio::time::sleep(Duration::from_secs(125)).await;
    }
}

/// Time passes.
pub async fn pass(run: &Run, chance: &mut Chance) {
    let day = 86_400;
    let seconds = match chance.below(8) {
        0..=3 => chance.between(1, 200),
        4 => chance.below(day),
        5 => chance.between(1, 20) * day,
        6 => 91 * day,
        _ => chance.pick(&[32, 800]) * day,
    };
    run.world.log(format!("{seconds} seconds pass"));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

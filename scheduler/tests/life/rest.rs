//! The rest: no more faults, and everything must come to an end. Nothing is stuck, no garbage is
//! left, and every order can live its life to the end.

use std::collections::HashSet;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use stemvault_scheduler::RunRequest;
use stemvault_storage::catalog::{Catalog, Key, KeyRange};
use stemvault_storage::error::Error;
use stemvault_storage::ids::UploadId;
use stemvault_storage::order::{Order, Policy, Stage};
use stemvault_storage::paths;
use stemvault_storage::session::{Form, Kind, Rules};
use stemvault_storage::tables::{self, OrderOf};
use stemvault_storage::upload::{PartUse, Upload, UploadState};

use crate::chance::Chance;
use crate::late;
use crate::node::{LONGEST_SLEEP, Node};
use crate::run::Run;
use crate::sending::{Deed, short};
use crate::told::{About, Word};
use crate::world::Weather;

type Checked<T = ()> = Result<T, String>;

const DAY: u64 = 86_400;

pub async fn rest(run: &mut Run) -> Checked {
    run.world.log("no more faults");
    run.world.state().weather = Weather {
        turns: 1,
        ..Weather::default()
    };
    run.join().await;
    // Whoever sleeps wakes up.
    pass(LONGEST_SLEEP + 91).await;
    settle(run).await?;
    late::all_has_landed(run);
    resting(run).await?;
    garbage(run).await?;
    run.audit();
    if run.world.is_broken() {
        return Ok(());
    }
    run.world.log("every order lives to its end");
    let orders = run.world.state().told.orders.len();
    for at in 0..orders {
        Box::pin(finish(run, at)).await?;
    }
    settle(run).await?;
    resting(run).await?;
    garbage(run).await?;
    run.audit();
    for at in 0..orders {
        recall(run, at).await?;
    }
    pass(32 * DAY).await;
    settle(run).await?;
    for order in run.nodes[0].vault.orders.all().await.map_err(fail)? {
        let sessions = run.nodes[0].vault.core.sessions(order.id).await;
        let sessions = sessions.map_err(fail)?;
        let told = run
            .world
            .state()
            .told
            .orders
            .iter()
            .any(|it| it.id == order.id);
        if told && order.stage() != Stage::Purged {
            return Err(format!(
                "I5 order {} is {} at its end ({} sessions)",
                order.number,
                order.stage().name(),
                sessions.len()
            ));
        }
    }
    garbage(run).await?;
    run.audit();
    pass(61 * DAY).await;
    settle(run).await?;
    late::watch_ends(run).await.map_err(fail)??;
    garbage(run).await?;
    run.audit();
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn fail(error: Error) -> String {
    format!("I5 it fails without a fault: {}", short(&error))
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// All jobs, on one node and on the other, until neither finds anything to do.
async fn settle(run: &Run) -> Checked {
    let request = RunRequest {
        allow_many: true,
        ..RunRequest::default()
    };
    let mut idle = 0;
    for turn in 0..20 {
        let node = &run.nodes[turn % run.nodes.len()];
        let runs = node.jobs.run(request).await.map_err(fail)?;
        let notes = || runs.iter().flat_map(|run| &run.orders);
        if let Some(note) = notes().find(|note| note.detail.contains("failed")) {
            return Err(format!(
                "I5 {} fails without a fault: {}",
                note.action, note.detail
            ));
        }
        // What is kept is said by every run.
        idle = if notes().all(|note| note.action == "kept") {
            idle + 1
        } else {
            0
        };
        if idle == run.nodes.len() {
            return Ok(());
        }
        pass(75).await;
    }
    Err("I5 the jobs never come to rest".into())
}

/// Nothing is between two stages, or due.
async fn resting(run: &Run) -> Checked {
    let node = &run.nodes[0];
    let owed = run.world.catalog().scan_prefix(&tables::outboxes()).await;
    if !owed.map_err(|error| error.to_string())?.is_empty() {
        return Err("I5 a record is owed for ever".into());
    }
    let now = node.vault.core.clock().now();
    for order in node.vault.orders.all().await.map_err(fail)? {
        let sessions = node.vault.core.sessions(order.id).await.map_err(fail)?;
        let free = order.hold.is_none();
        let due =
            |at: Option<chrono::DateTime<chrono::Utc>>| free && at.is_some_and(|at| at <= now);
        let stuck = match order.stage() {
            Stage::Sealing | Stage::Releasing | Stage::Purging => true,
            Stage::Completed if sessions.is_empty() => due(order.purge_due()),
            Stage::Completed => true,
            Stage::Archived => due(order.release_due()),
            Stage::Released => due(order.purge_due()),
            Stage::Recalled => order.recalled_until().is_some_and(|until| until <= now),
            Stage::Open | Stage::Purged => false,
        };
        if stuck {
            return Err(format!(
                "I5 order {} is stuck in {}",
                order.number,
                order.stage().name()
            ));
        }
    }
    Ok(())
}

/// Whatever is stored is named by something.
async fn garbage(run: &Run) -> Checked {
    let node = &run.nodes[0];
    let mut named = HashSet::from(["records".to_owned()]);
    let mut prefixes = [paths::snapshots(), paths::marks()]
        .map(|folder| folder.to_string() + "/")
        .to_vec();
    for told in &run.world.state().told.orders {
        if told.unreadable {
            prefixes.push(paths::order(told.id).to_string());
        }
    }
    let orders = node.vault.orders.all().await.map_err(fail)?;
    for order in &orders {
        if order.stage() == Stage::Purged {
            named.insert(paths::tombstone(order.id).to_string());
            continue;
        }
        if order.hold.is_some() {
            // Nothing of it is swept before the hold is lifted.
            prefixes.push(paths::order(order.id).to_string() + "/");
        }
        prefixes.push(paths::records(order.id).to_string() + "/");
        name(node, order, &mut named).await.map_err(fail)?;
        // What an append left behind is swept when its upload is closed, not before.
        let uploads = node.vault.rows.all_uploads(order.id).await.map_err(fail)?;
        let open = uploads
            .iter()
            .filter(|it| !matches!(it.state, UploadState::Sealed { .. }));
        prefixes.extend(open.map(|it| paths::upload(order.id, it.id).to_string() + "/"));
    }
    let listed = [node.vault.core.working(), node.vault.core.archive()];
    for (at, store) in listed.into_iter().enumerate() {
        for (path, _) in store.list(&Path::default()).await.map_err(fail)? {
            let path = path.to_string();
            if !named.contains(&path) && !prefixes.iter().any(|it| path.starts_with(it)) {
                let name = run.world.state().names.path(&Path::from(path));
                return Err(format!("I5 garbage stays in store {at}: {name}"));
            }
        }
    }
    for (id, stage) in orders.iter().map(|order| (order.id, order.stage())) {
        let key = run.world.keys.head(&paths::order_key(id)).await.is_ok();
        if (stage == Stage::Purged) == key {
            return Err(format!("I4 the key of a {} order: {key}", stage.name()));
        }
    }
    rows(run).await
}

/// Every object that belongs to an order that lives.
async fn name(node: &Node, order: &Order, named: &mut HashSet<String>) -> Result<(), Error> {
    let (vault, id) = (&node.vault, order.id);
    let keys = vault.core.keys().order(id).await?;
    for row in vault.core.sessions(id).await? {
        named.insert(paths::manifest(id, row.session).to_string());
        if row.released {
            continue;
        }
        for file in &vault.manifests.manifest(id, row.session).await?.files {
            for (upload, blocks) in file.folders() {
                let folder = paths::upload(id, upload);
                let names = blocks.iter().map(|block| keys.object_name(block.hash));
                named.extend(names.map(|name| folder.clone().join(name).to_string()));
            }
        }
    }
    if let Some(proof) = order.proof() {
        named.insert(paths::index(id, proof.attempt).to_string());
        let index = vault.manifests.index(id, proof.attempt).await?;
        let files = index.sessions.iter().flat_map(|session| &session.files);
        let folder = paths::attempt(id, proof.attempt);
        let blocks = files.flat_map(|file| &file.blocks);
        let names = blocks.map(|block| keys.object_name(block.hash));
        named.extend(names.map(|name| folder.clone().join(name).to_string()));
    }
    Ok(())
}

/// Rows of uploads and attempts that are no more.
async fn rows(run: &Run) -> Checked {
    let world = &run.world;
    let all = world.catalog().scan(KeyRange::all(), 100_000).await;
    for (key, _) in all.map_err(|error| error.to_string())? {
        let Some((&table, rest)) = key.0.split_first() else {
            continue;
        };
        let id = |at: usize| rest.get(at..at + 16).and_then(|id| id.try_into().ok());
        let (Some(first), table) = (id(0), char::from(table)) else {
            continue;
        };
        // Its attempts are not swept before the hold is lifted.
        let held = |order| {
            let order = world.order(stemvault_storage::ids::OrderId(order));
            order.is_some_and(|order| order.hold.is_some())
        };
        let stale = match table {
            'b' | 'f' | 'U' | 'c' => {
                let row = upload_row(run, UploadId(first));
                let blocks = !matches!(table, 'U' | 'c');
                row.is_none_or(|row| blocks && matches!(row.state, UploadState::Sealed { .. }))
            }
            // Some file needs the part, and knows it.
            'p' => {
                let part = UploadId(first);
                let uses = world.row::<PartUse>(&tables::part_use(part));
                let mut finals = uses.map(|(uses, _)| uses.finals).unwrap_or_default();
                let needed = !finals.is_empty();
                let sealed = |row: Upload| row.state.name() == "sealed";
                finals.retain(|it| upload_row(run, *it).is_none_or(sealed));
                !needed || !finals.is_empty() || upload_row(run, part).is_none()
            }
            'a' => {
                let order = world.order(stemvault_storage::ids::OrderId(first));
                let proof = order.and_then(|order| order.proof().cloned());
                let named = proof.map(|proof| proof.attempt.0);
                named != id(16) && !held(first)
            }
            // An attempt that is proven, or given up, has come to its end.
            'A' => !held(first),
            _ => false,
        };
        if stale {
            let name = world.state().names.key(&Key(key.0.clone()));
            return Err(format!("I5 a row stays that nothing names: {name}"));
        }
    }
    Ok(())
}

fn upload_row(run: &Run, upload: UploadId) -> Option<Upload> {
    let world = &run.world;
    let (of, _) = world.row::<OrderOf>(&tables::order_of_upload(upload))?;
    let row = world.row::<Upload>(&tables::upload(of.order, upload))?;
    Some(row.0)
}

fn deed(run: &Run, order: usize) -> Deed {
    Deed {
        world: run.world.clone(),
        node: run.nodes[order % run.nodes.len()].clone(),
        order,
        chance: Chance::new(order as u64),
    }
}

/// Everything that was begun is sent, submitted, and completed.
async fn finish(run: &Run, at: usize) -> Checked {
    let told = run.world.state().told.orders[at].clone();
    let it = deed(run, at);
    let vault = &it.node.vault;
    if told.unreadable {
        return Ok(());
    }
    let order = vault.core.order(told.id).await.map_err(fail)?;
    if order.stage() == Stage::Purged {
        return Ok(());
    }
    if order.hold.is_some() {
        it.clone().lift().await;
    }
    if matches!(order.stage(), Stage::Recalled) {
        it.clone().end_recall().await;
    }
    if order.stage() != Stage::Open {
        it.clone().reopen().await;
    }
    for upload in vault.rows.uploads(told.id).await.map_err(fail)? {
        if upload.state != UploadState::Open {
            continue;
        }
        let known = told.uploads.iter().find(|it| it.id == upload.id);
        let expired = upload
            .expires_at
            .is_some_and(|end| end <= vault.core.clock().now());
        let parts = known.is_some_and(|known| !known.parts.is_empty());
        if parts {
            let known = told.uploads.iter().position(|it| it.id == upload.id);
            it.send_parts(known.expect("just seen")).await;
            let row = vault.rows.upload(told.id, upload.id).await.map_err(fail)?;
            if row.state == UploadState::Open {
                // One of its parts was removed before it was whole.
                let removed = vault.uploads.terminate(told.id, upload.id).await;
                removed.map_err(fail)?;
            }
            continue;
        }
        let Some(known) = known.filter(|_| !expired) else {
            let removed = vault.uploads.terminate(told.id, upload.id).await;
            removed.map_err(fail)?;
            continue;
        };
        let rest = known
            .content
            .slice(usize::try_from(upload.offset).unwrap()..);
        let appends = &vault.appends;
        let writer = appends.begin_append(told.id, upload.id, upload.offset);
        let mut writer = writer.await.map_err(fail)?;
        writer.push(&rest).await.map_err(fail)?;
        writer.flush().await.map_err(fail)?;
    }
    it.replaced();
    for kind in [Kind::Material, Kind::Delivery, Kind::Stems] {
        let form = Form::new();
        let sealed = vault.sessions.submit(told.id, kind, form, Rules::new());
        match sealed.await {
            Ok(receipt) => it.receipt(&receipt).await,
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    let policy = Policy {
        working_days: 0,
        archive_months: 1,
        time_zone: chrono_tz::Tz::UTC,
    };
    it.clone().complete(Some(policy)).await;
    if run.world.state().told.orders[at].is(About::Open, Word::No) {
        Ok(())
    } else {
        Err(format!("I5 order {} cannot be completed", told.number))
    }
}

/// What was released comes back from the archive, through the door.
async fn recall(run: &Run, at: usize) -> Checked {
    let it = deed(run, at);
    let order = it.node.vault.core.order(it.id()).await;
    if !order.is_ok_and(|order| order.stage() == Stage::Released) {
        return Ok(());
    }
    it.clone().recall().await;
    it.clone().download().await;
    run.audit();
    it.end_recall().await;
    Ok(())
}

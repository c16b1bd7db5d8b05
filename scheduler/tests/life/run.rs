//! One run: steps that a seed decides, on two nodes over the same stores and catalog, with deaths
//! of nodes, losses of the catalog, and audits in between; then everything comes to rest.

use std::sync::Arc;
use std::time::Duration;

use stemvault_storage::order::{Client, OrderNumber, Stage};
use tokio::task::JoinHandle;

use crate::audit::{audit, is_gap};
use crate::chance::Chance;
use crate::late;
use crate::node::Node;
use crate::rest;
use crate::sending::Deed;
use crate::told::OrderTold;
use crate::world::{Weather, World};

const NODES: usize = 2;

/// So many steps a run has, and up to twice as many.
const STEPS: u64 = 40;

/// More deeds than this at once only slow each other down.
const DEEDS_AT_ONCE: usize = 4;

/// A deed that takes longer hangs. Slow calls add up, though.
const LONGEST_DEED: Duration = Duration::from_secs(7 * 86_400);

/// What can happen at any time, whether it suits the stage or not.
const SOMETIMES: [&str; 21] = [
    "append",
    "create",
    "in parts",
    "remove",
    "submit",
    "accept",
    "return",
    "complete",
    "hold",
    "lift",
    "lift",
    "reopen",
    "recall",
    "end recall",
    "link",
    "revoke",
    "jobs",
    "jobs",
    "sweep",
    "download",
    "wrap up",
];

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub trace: u64,
    pub calls: u64,
    pub log: Vec<String>,
    pub broken: Option<String>,
}

/// The steps of a seed; a shrunk run has fewer of them.
pub fn steps(seed: u64) -> Vec<u64> {
    let mut chance = Chance::new(seed ^ 0x5EED);
    let count = STEPS + chance.below(STEPS);
    (0..count).map(|_| chance.next()).collect()
}

/// Runs these steps under this seed.
pub fn run(seed: u64, steps: &[u64]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new(seed);
        let mut run = Run::start(&world).await;
        run.live(steps).await;
        let mut state = world.state();
        state.over = true;
        let (log, broken) = (std::mem::take(&mut state.log), state.broken.take());
        drop(state);
        Outcome {
            trace: world.trace(),
            calls: world.calls(),
            log,
            broken,
        }
    })
}

pub struct Run {
    pub world: Arc<World>,
    pub nodes: Vec<Node>,
    deeds: Vec<(usize, JoinHandle<()>)>,
}

impl Run {
    async fn start(world: &Arc<World>) -> Self {
        let mut run = Self {
            world: Arc::clone(world),
            nodes: Vec::new(),
            deeds: Vec::new(),
        };
        for number in 0..NODES {
            run.nodes.push(run.node(number).await);
        }
        run.create_order(0).await;
        let mut chance = Chance::new(world.state().chance.next());
        world.state().weather = Weather::of(&mut chance);
        let weather = format!("{:?}", world.state().weather);
        world.log(weather);
        run
    }

    async fn node(&self, number: usize) -> Node {
        loop {
            match Node::start(&self.world, number).await {
                Ok(node) => return node,
                Err(_) if !self.world.is_broken() => {}
                Err(error) => panic!("a node does not start: {error}"),
            }
        }
    }

    async fn create_order(&self, node: usize) {
        let count = self.world.state().told.orders.len() + 17;
        let mut tries = 0;
        loop {
            let number = OrderNumber::try_from(format!("2026-{count:04}-{tries}")).unwrap();
            let client = Client {
                name: "Mia Muster".to_owned(),
                ..Client::default()
            };
            let answer = self.nodes[node]
                .vault
                .orders
                .create(number.clone(), client)
                .await;
            tries += 1;
            if let Ok(order) = answer {
                self.world.log(format!("order {number} is created"));
                let order = OrderTold::new(order.id, number);
                self.world.state().told.orders.push(order);
                self.world.committed();
                return;
            }
            if self.world.is_broken() {
                return;
            }
        }
    }

    async fn live(&mut self, steps: &[u64]) {
        for &step in steps {
            let mut chance = Chance::new(step);
            self.world.state().chance = Chance::new(chance.next());
            self.deeds.retain(|(_, deed)| !deed.is_finished());
            self.step(&mut chance).await;
            if self.world.is_broken() {
                return;
            }
        }
        if let Err(why) = rest::rest(self).await {
            self.world.broken(why);
        }
    }

    async fn step(&mut self, chance: &mut Chance) {
        match chance.below(100) {
            0..=5 => self.kill(chance).await,
            6 if chance.in_1000(700) => self.lose_catalog(chance).await,
            7..=10 => self.cancel(chance),
            11..=19 => late::pass(self, chance).await,
            20 if self.world.state().told.orders.len() < 2 => {
                self.create_order(chance.index(NODES)).await;
            }
            _ if self.deeds.len() < DEEDS_AT_ONCE => self.deed(chance),
            _ => {}
        }
        if let Some(awake) = late::who_watches_a_sleeper(self).filter(|_| chance.in_1000(600)) {
            late::outlive(self, awake, chance).await;
        }
        match chance.below(10) {
            0..=4 => {
                for _ in 0..chance.spread(9) {
                    tokio::task::yield_now().await;
                }
            }
            5 => tokio::time::sleep(Duration::from_millis(chance.spread(17))).await,
            _ => self.join().await,
        }
        let deleting = {
            let state = self.world.state();
            let stages = state.told.orders.iter().flat_map(|it| &it.last);
            stages
                .filter(|(it, _)| matches!(it.stage(), Stage::Releasing | Stage::Purging))
                .count()
                > 0
        };
        if chance.in_1000(if deleting { 300 } else { 50 }) {
            self.audit();
        }
    }

    pub fn audit(&self) {
        if let Err(why) = audit(&self.world) {
            self.world.broken(why);
        }
    }

    /// Something that suits the order's stage, most often.
    fn deed(&mut self, chance: &mut Chance) {
        let order = chance.index(self.world.state().told.orders.len());
        let told = self.world.state().told.orders[order].clone();
        if told.purged || told.unreadable {
            return;
        }
        let node = self.nodes[chance.index(NODES)].clone();
        let number = node.number;
        let deed = Deed {
            world: Arc::clone(&self.world),
            node,
            order,
            chance: Chance::new(chance.next()),
        };
        let stage = told.last.map(|(order, _)| order.stage());
        let often: &[&str] = match stage {
            _ if chance.in_1000(350) => &[],
            Some(Stage::Open | Stage::Sealing) => &[
                "append", "append", "append", "in parts", "append", "submit", "wrap up", "wrap up",
                "wrap up", "return", "accept",
            ],
            Some(Stage::Completed | Stage::Archived) => &["jobs", "jobs", "jobs", "hold", "reopen"],
            Some(Stage::Releasing | Stage::Purging) => &["jobs", "jobs", "jobs", "hold", "recall"],
            Some(Stage::Released | Stage::Recalled) => &[
                "jobs",
                "jobs",
                "recall",
                "reopen",
                "reopen",
                "hold",
                "end recall",
            ],
            Some(Stage::Purged) | None => &[],
        };
        let kind = chance.pick(if often.is_empty() { &SOMETIMES } else { often });
        let deed = async move {
            let mut deed = deed;
            match kind {
                "append" => deed.append().await,
                "create" => drop(deed.create().await),
                "in parts" => deed.in_parts().await,
                "remove" => deed.terminate().await,
                "submit" => deed.submit().await,
                "accept" => deed.accept().await,
                "return" => deed.give_back().await,
                "complete" => deed.complete(None).await,
                "wrap up" => deed.wrap_up().await,
                "hold" => deed.hold().await,
                "lift" => deed.lift().await,
                "reopen" => deed.reopen().await,
                "recall" => deed.recall().await,
                "end recall" => deed.end_recall().await,
                "link" => deed.link().await,
                "revoke" => deed.revoke().await,
                "sweep" => deed.sweep().await,
                "download" => deed.download().await,
                _ => deed.jobs().await,
            }
        };
        self.deeds.push((number, tokio::spawn(deed)));
    }

    /// Waits until all deeds are done.
    pub async fn join(&mut self) {
        for (_, deed) in self.deeds.drain(..) {
            match tokio::time::timeout(LONGEST_DEED, deed).await {
                Ok(Err(error)) if error.is_panic() => {
                    self.world.broken(format!("I5 a panic: {error}"));
                }
                Ok(_) => {}
                Err(_) => return self.world.broken("I5 something hangs"),
            }
        }
    }

    /// A client hangs up, or a request is dropped for another reason.
    fn cancel(&mut self, chance: &mut Chance) {
        if !self.deeds.is_empty() {
            let at = chance.index(self.deeds.len());
            self.world.log("a request is dropped");
            self.deeds.remove(at).1.abort();
        }
    }

    fn end(&mut self, number: usize) {
        self.nodes[number].life.end();
        for (_, deed) in self.deeds.extract_if(.., |(node, _)| *node == number) {
            deed.abort();
        }
    }

    async fn kill(&mut self, chance: &mut Chance) {
        let number = chance.index(NODES);
        self.world.log(format!("node {number} dies"));
        self.end(number);
        if chance.in_1000(300) {
            self.audit();
        }
        self.nodes[number] = self.node(number).await;
    }

    /// All nodes die, the catalog is lost, and it is rebuilt: again if that dies as well.
    pub async fn lose_catalog(&mut self, chance: &mut Chance) {
        for _ in 0..chance.below(3) {
            self.deed(chance);
        }
        for _ in 0..chance.spread(6) {
            tokio::task::yield_now().await;
        }
        self.world.log("all nodes die, the catalog is lost");
        for number in 0..NODES {
            self.end(number);
        }
        tokio::task::yield_now().await;
        let problems = loop {
            self.world.lose_catalog();
            let node = self.node(0).await;
            let rebuild = {
                let vault = Arc::clone(&node.vault);
                tokio::spawn(async move { vault.rebuild.rebuild().await })
            };
            if chance.in_1000(200) {
                tokio::time::sleep(Duration::from_secs(chance.between(60, 130))).await;
                for _ in 0..chance.spread(7) {
                    tokio::task::yield_now().await;
                }
                self.world.log("the rebuild dies");
                node.life.end();
                rebuild.abort();
                continue;
            }
            match rebuild.await.expect("it is not aborted") {
                Ok(rebuilt) => break rebuilt.problems,
                Err(_) => node.life.end(),
            }
            if self.world.is_broken() {
                return;
            }
        };
        self.rebuilt(&problems);
        for number in 0..NODES {
            self.nodes[number] = self.node(number).await;
        }
    }

    /// What was not submitted starts again; an order whose key went before its tombstone came is
    /// known by nobody any more.
    fn rebuilt(&self, problems: &[String]) {
        self.world.log("the catalog is rebuilt");
        let found: Vec<_> = {
            let state = self.world.state();
            let ids = state.told.orders.iter().map(|it| it.id);
            ids.map(|id| self.world.order(id)).collect()
        };
        let mut state = self.world.state();
        let strange = problems.iter().find(|it| !is_gap(&state.told, it));
        let mut broken = strange.map(|it| format!("I6 rebuild finds {it}"));
        for (told, found) in state.told.orders.iter_mut().zip(found) {
            for upload in &mut told.uploads {
                upload.excused = true;
            }
            let id = told.id.to_string();
            match found {
                Some(order) => {
                    told.gone = matches!(order.stage(), Stage::Purging | Stage::Purged);
                }
                None if problems.iter().any(|it| it.contains(&id)) => told.unreadable = true,
                None => broken = Some(format!("I6 order {} is lost", told.number)),
            }
        }
        drop(state);
        if let Some(broken) = broken {
            self.world.broken(broken);
        }
        self.world.committed();
    }
}

//! What clients do: create uploads, append in odd pieces, break off, remove, submit, download.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use stemvault_storage::checks::{Rule, Severity};
use stemvault_storage::clock::Clock;
use stemvault_storage::error::Error;
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::{NewUpload, Writer};
use stemvault_storage::path::SessionPath;
use stemvault_storage::paths;
use stemvault_storage::session::{Form, Kind, Receipt, Review, Rules};
use stemvault_storage::upload::Role;

use crate::chance::Chance;
use crate::material;
use crate::node::Node;
use crate::told::{About, Saying, SessionTold, UploadTold, Word};
use crate::world::World;

/// One deed: who does it, on which order, by what chance.
#[derive(Clone)]
pub struct Deed {
    pub world: Arc<World>,
    pub node: Node,
    pub order: usize,
    pub chance: Chance,
}

impl Deed {
    pub fn id(&self) -> stemvault_storage::ids::OrderId {
        self.world.state().told.orders[self.order].id
    }

    pub fn log(&self, line: &str) {
        let number = self.world.state().told.orders[self.order].number.clone();
        self.world
            .log(format!("node {} order {number}: {line}", self.node.number));
    }

    pub fn answered<T>(&self, what: &str, answer: &Result<T, Error>) {
        match answer {
            Ok(_) => self.log(&format!("{what}: ok")),
            Err(error) => self.log(&format!("{what}: {}", short(error))),
        }
    }

    /// A new upload; most have the name of no other.
    pub async fn create(&mut self) -> Option<usize> {
        let chance = &mut self.chance;
        let kind = chance.pick(&[Kind::Material, Kind::Material, Kind::Delivery]);
        let content = material::file(chance);
        let folder = chance.pick(&["", "drums/", "vox/"]);
        let path = format!("{folder}{}.wav", chance.below(12));
        let new = NewUpload {
            id: UploadId::random(),
            link: None,
            kind,
            path: SessionPath::parse(&path).unwrap(),
            metadata: [("modified".to_owned(), "yesterday".to_owned())].into(),
            length: Some(content.len() as u64),
            role: Role::File,
            sum: None,
            at_once: false,
        };
        drop(self.world.state().names.of(&new.id.to_string()));
        let touched = self.world.clock.now();
        let answer = self.node.vault.uploads.create(self.id(), new).await;
        self.answered(
            &format!("create {kind} {path} ({} bytes)", content.len()),
            &answer,
        );
        let upload = answer.ok()?;
        let told = UploadTold {
            id: upload.id,
            kind,
            path,
            content,
            acked: 0,
            touched,
            excused: false,
            parts: Vec::new(),
        };
        self.world.state().told.orders[self.order]
            .uploads
            .push(told);
        self.replaced();
        Some(self.world.state().told.orders[self.order].uploads.len() - 1)
    }

    pub fn upload(&self, at: usize) -> UploadTold {
        self.world.state().told.orders[self.order].uploads[at].clone()
    }

    /// Uploads that are not whole, as far as is known.
    pub fn open_uploads(&self) -> Vec<usize> {
        let state = self.world.state();
        let uploads = state.told.orders[self.order].uploads.iter().enumerate();
        let open = uploads.filter(|(_, it)| !it.excused && !it.is_finished());
        open.map(|(at, _)| at).collect()
    }

    /// An upload that may go on, or a new one.
    async fn open_upload(&mut self) -> Option<usize> {
        let open = self.open_uploads();
        if open.is_empty() || self.chance.in_1000(150) {
            self.create().await
        } else {
            Some(self.chance.pick(&open))
        }
    }

    pub fn acked(&self, at: usize, offset: u64, touched: Option<chrono::DateTime<chrono::Utc>>) {
        let mut state = self.world.state();
        let upload = &mut state.told.orders[self.order].uploads[at];
        upload.acked = upload.acked.max(offset);
        if let Some(touched) = touched {
            upload.touched = upload.touched.max(touched);
        }
    }

    /// Asks where an upload stands and goes on from there, in odd pieces; sometimes it hangs up.
    pub async fn append(mut self) {
        let Some(at) = self.open_upload().await else {
            return;
        };
        let upload = self.upload(at);
        if !upload.parts.is_empty() {
            return self.send_parts(at).await;
        }
        let id = self.id();
        let vault = Arc::clone(&self.node.vault);
        let Ok(row) = vault.uploads.upload_settled(id, upload.id).await else {
            return self.log(&format!("append to {}: no answer", upload.path));
        };
        self.acked(at, row.offset, None);
        let mut writer = match vault.appends.begin_append(id, upload.id, row.offset).await {
            Ok(writer) => writer,
            Err(error) => {
                return self.log(&format!("append to {}: {}", upload.path, short(&error)));
            }
        };
        let mut rest = upload.content.slice(usize::try_from(row.offset).unwrap()..);
        self.log(&format!("append to {} from {}", upload.path, row.offset));
        let whole = self.chance.in_1000(700);
        loop {
            let piece = match self.chance.below(4) {
                0 => 1,
                1 => self.chance.spread(10),
                2 => self.chance.spread(15),
                _ => rest.len() as u64,
            };
            let piece = rest.split_to(rest.len().min(usize::try_from(piece).unwrap()));
            if writer.push(&piece).await.is_err() {
                return;
            }
            if self.chance.in_1000(120) {
                // A slow client: nothing comes for a while.
                let millis = self.chance.spread(18);
                tokio::select! {
                    biased;
                    _ = writer.signal() => {}
                    () = tokio::time::sleep(Duration::from_millis(millis)) => {}
                }
            }
            let end = rest.is_empty() || !whole && self.chance.in_1000(300);
            if end && self.chance.in_1000(150) {
                return self.log(&format!("append to {}: hung up", upload.path));
            }
            if (end || self.chance.in_1000(300)) && !self.flush(at, &mut writer).await {
                return;
            }
            if end {
                return;
            }
        }
    }

    async fn flush(&self, at: usize, writer: &mut Writer) -> bool {
        let began = self.world.clock.now();
        let closed = self.world.state().told.orders[self.order].is(About::Open, Word::No);
        let before = writer.upload().offset;
        let Ok(offset) = writer.flush().await else {
            self.log("flush: no");
            return false;
        };
        if closed && offset > before {
            self.world
                .broken("I6 bytes were taken after the order was told to be completed");
        }
        self.log(&format!("flush: stands at {offset}"));
        self.acked(at, offset, Some(began));
        true
    }

    /// Removes an upload, whatever its state.
    pub async fn terminate(mut self) {
        let count = self.world.state().told.orders[self.order].uploads.len();
        if count == 0 {
            return;
        }
        let at = self.chance.index(count);
        let upload = self.upload(at);
        let excuse = |excused| {
            self.world.state().told.orders[self.order].uploads[at].excused = excused;
        };
        excuse(true);
        let answer = self
            .node
            .vault
            .uploads
            .terminate(self.id(), upload.id)
            .await;
        self.answered(&format!("remove {}", upload.path), &answer);
    }

    /// Submits, and checks the receipt against what was sent.
    pub async fn submit(mut self) {
        let kind = self
            .chance
            .pick(&[Kind::Material, Kind::Material, Kind::Delivery]);
        let rules = if self.chance.in_1000(150) {
            Rules::from([
                (Rule::EmptyFile, Severity::Refuse),
                (Rule::UnreadableAudio, Severity::Refuse),
            ])
        } else {
            Rules::new()
        };
        let form = Form::from([("song".to_owned(), "Über den Wolken".to_owned())]);
        self.replaced();
        let answer = self
            .node
            .vault
            .sessions
            .submit(self.id(), kind, form, rules)
            .await;
        self.answered(&format!("submit {kind}"), &answer);
        if let Ok(receipt) = answer {
            self.receipt(&receipt).await;
        }
    }

    /// Of several uploads with one name a submit keeps the last.
    pub fn replaced(&self) {
        let mut state = self.world.state();
        let uploads = &mut state.told.orders[self.order].uploads;
        for at in 0..uploads.len() {
            let same =
                |it: &UploadTold| (it.kind, &it.path) == (uploads[at].kind, &uploads[at].path);
            if uploads.iter().filter(|it| same(it)).count() > 1 {
                uploads[at].excused = true;
            }
        }
    }

    /// A receipt was given: from now on this session must be readable.
    pub async fn receipt(&self, receipt: &Receipt) {
        let (row, manifest) = (&receipt.row, &receipt.manifest);
        let Ok(keys) = self.node.vault.core.keys().order(manifest.order).await else {
            return;
        };
        let mut state = self.world.state();
        let order = &mut state.told.orders[self.order];
        if order.sessions.iter().any(|it| it.id == row.session) {
            return;
        }
        let (mut files, mut wrong) = (Vec::new(), None);
        let mut objects = std::collections::HashSet::new();
        for file in &manifest.files {
            let sent = order.uploads.iter().find(|it| it.id == file.upload);
            match sent {
                Some(it) if blake3_of(&it.content) == file.hash.to_string() => {
                    files.push((file.path.as_str().to_owned(), it.content.clone()));
                }
                Some(it) => {
                    wrong = Some(format!("I1 the receipt has another hash for {}", it.path));
                }
                // Created without an answer.
                None => {}
            }
            for (upload, blocks) in file.folders() {
                let folder = paths::upload(manifest.order, upload);
                let names = blocks.iter().map(|block| keys.object_name(block.hash));
                objects.extend(names.map(|name| folder.clone().join(name).to_string()));
            }
        }
        let review = review_name(&row.review);
        order.tell(About::Review(row.session), Word::Is(review));
        order.sessions.push(SessionTold {
            id: row.session,
            kind: row.kind,
            files,
            objects,
        });
        drop(state);
        if let Some(wrong) = wrong {
            self.world.broken(wrong);
        }
    }

    /// A download: whatever arrives is right, and if it ends well it is whole.
    pub async fn download(mut self) {
        let Some(session) = self.session() else {
            return;
        };
        if session.files.is_empty() {
            return;
        }
        let (path, content) = &session.files[self.chance.index(session.files.len())];
        let Ok(source) = self
            .node
            .vault
            .outlet
            .file(self.id(), session.id, path)
            .await
        else {
            return self.log(&format!("download {path}: no"));
        };
        let length = content.len() as u64;
        let from = self.chance.below(length + 1);
        let to = from + self.chance.below(length - from + 1);
        let answer: Result<Vec<_>, _> = source.stream(from..to).try_collect().await;
        self.answered(&format!("download {path} {from}..{to}"), &answer);
        let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        if answer.is_ok_and(|parts| parts.concat() != content[from..to]) {
            self.world
                .broken(format!("I1 a download of {path} was wrong"));
        }
    }

    /// A session that someone has a receipt for.
    pub fn session(&mut self) -> Option<SessionTold> {
        let sessions = self.world.state().told.orders[self.order].sessions.clone();
        let at = self.chance.index(sessions.len());
        sessions.into_iter().nth(at)
    }

    pub fn saying(&self, about: About, loosens: bool) -> Saying {
        Saying::begin(&self.world, self.order, about, loosens)
    }
}

pub fn review_name(review: &Review) -> &'static str {
    match review {
        Review::Submitted => "submitted",
        Review::Accepted { .. } => "accepted",
        Review::Returned { .. } => "returned",
    }
}

fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// An error by its kind: messages name random ids.
pub fn short(error: &Error) -> String {
    match error {
        Error::Refused(refusal) => format!("refused, {:?}", refusal.kind),
        Error::Damaged(damage) => format!("damaged, {}: {}", damage.what, damage.detail),
        Error::Key(_) => "key".into(),
        Error::Store { store, verb, .. } => format!("the {store} store did not {verb}"),
        Error::TooLate { .. } => "too late".into(),
        Error::Busy { .. } => "busy".into(),
        error => error.to_string(),
    }
}

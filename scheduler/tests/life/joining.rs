//! What clients do that send a file in parts: side by side, the file before or after them, parts
//! in several files, and parts that they remove again.

use std::sync::Arc;

use bytes::Bytes;
use stemvault_storage::clock::Clock;
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::{NamedPart, NewUpload};
use stemvault_storage::path::SessionPath;
use stemvault_storage::session::Kind;
use stemvault_storage::upload::{Role, UploadState};

use crate::material;
use crate::sending::Deed;
use crate::told::UploadTold;

impl Deed {
    fn new_upload(&self, kind: Kind, path: &str, role: Role, length: Option<u64>) -> NewUpload {
        let id = UploadId::random();
        drop(self.world.state().names.of(&id.to_string()));
        NewUpload {
            link: None,
            id,
            kind,
            path: SessionPath::parse(path).unwrap(),
            metadata: std::collections::BTreeMap::new(),
            length,
            role,
            sum: None,
            at_once: false,
        }
    }

    /// A file in parts.
    pub async fn in_parts(mut self) {
        let kind = self.chance.pick(&[Kind::Material, Kind::Delivery]);
        let content = material::file(&mut self.chance);
        let path = format!("parts/{}.wav", self.chance.below(12));
        let mut parts = Vec::<(UploadId, Bytes)>::new();
        let mut rest = content;
        loop {
            let all = rest.len() as u64;
            let last = parts.len() == 3 || self.chance.in_1000(400);
            let length = if last {
                all
            } else {
                self.chance.below(all + 1)
            };
            let piece = rest.split_to(usize::try_from(length).unwrap());
            let known = self.chance.in_1000(800);
            let new = self.new_upload(kind, "a part", Role::Part, known.then_some(length));
            let answer = self.node.vault.uploads.create(self.id(), new).await;
            self.answered(
                &format!("create a part of {path} ({length} bytes)"),
                &answer,
            );
            let Ok(upload) = answer else { return };
            parts.push((upload.id, piece));
            if last {
                break;
            }
        }
        // One of them once more: it comes twice in the file.
        if self.chance.in_1000(150) {
            let again = self.chance.index(parts.len());
            parts.push(parts[again].clone());
        }
        for (part, bytes) in &parts {
            if self.chance.in_1000(600) && !self.send_part(*part, bytes).await {
                return;
            }
        }
        let files = if self.chance.in_1000(150) { 2 } else { 1 };
        let mut made = Vec::new();
        for number in 0..files {
            let path = format!("{number}{path}");
            made.extend(self.make(kind, &path, &parts).await);
        }
        for at in made {
            if self.chance.in_1000(700) {
                self.send_parts(at).await;
            }
        }
    }

    async fn make(&mut self, kind: Kind, path: &str, parts: &[(UploadId, Bytes)]) -> Option<usize> {
        let named: Vec<_> = parts
            .iter()
            .map(|(part, _)| NamedPart {
                part: Some(*part),
                said: String::new(),
            })
            .collect();
        let new = self.new_upload(kind, path, Role::Final, None);
        let touched = self.world.clock.now();
        let vault = Arc::clone(&self.node.vault);
        let answer = vault.uploads.create_final(self.id(), new, &named).await;
        self.answered(&format!("make {path} of {} parts", parts.len()), &answer);
        let upload = answer.ok()?;
        let content: Vec<u8> = parts.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
        let told = UploadTold {
            id: upload.id,
            kind,
            path: path.to_owned(),
            content: content.into(),
            acked: 0,
            touched,
            excused: false,
            parts: parts.to_vec(),
        };
        let at = {
            let mut state = self.world.state();
            let uploads = &mut state.told.orders[self.order].uploads;
            uploads.push(told);
            uploads.len() - 1
        };
        self.replaced();
        Some(at)
    }

    /// Sends what is missing of a part. False: nobody answers.
    async fn send_part(&self, part: UploadId, bytes: &Bytes) -> bool {
        let (vault, id) = (&self.node.vault, self.id());
        let sent = async {
            let row = vault.uploads.upload_settled(id, part).await?;
            let mut writer = vault.appends.begin_append(id, part, row.offset).await?;
            let at = usize::try_from(row.offset).unwrap();
            writer.push(&bytes[at..]).await?;
            writer.flush().await?;
            writer.declare_length(bytes.len() as u64).await
        };
        let answer = sent.await;
        self.answered("send a part", &answer);
        answer.is_ok()
    }

    /// Sends what is missing of the parts of a file, and asks whether it is whole.
    pub async fn send_parts(&self, at: usize) {
        let upload = self.upload(at);
        let began = self.world.clock.now();
        for (part, bytes) in &upload.parts {
            self.send_part(*part, bytes).await;
        }
        let vault = &self.node.vault;
        let over = vault.appends.begin_join(self.id(), upload.id);
        drop(over.await);
        let row = vault.rows.upload(self.id(), upload.id).await;
        self.answered(&format!("is {} whole", upload.path), &row);
        let Ok(row) = row else { return };
        self.log(&format!("it is {} at {}", row.state.name(), row.offset));
        let Some(hash) = row.state.hash() else { return };
        if hash.as_bytes() != blake3::hash(&upload.content).as_bytes() {
            self.world
                .broken(format!("I1 {} was put together wrongly", upload.path));
        }
        self.acked(at, row.offset, Some(began));
        // It needs them no more, or so its sender thinks.
        let mut chance = self.chance.clone();
        if matches!(row.state, UploadState::Finished { .. }) && chance.in_1000(300) {
            let (part, _) = &upload.parts[chance.index(upload.parts.len())];
            let answer = vault.uploads.terminate(self.id(), *part).await;
            self.answered("remove a part", &answer);
        }
    }
}

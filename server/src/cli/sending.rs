//! The sending of one push: every file, until the server has what is here now.
//!
//! In rounds. A file that changed while it was sent, or since it was compared, is sent again in the
//! next one, once nobody writes it any more; one that changes in every round is named.

use std::io;
use std::sync::Arc;

use tokio::task::JoinHandle;
use url::Url;

use super::outcome::{Outcome, in_parallel};
use stemvault_client::collect::LocalFile;
use stemvault_client::flow::MOST;
use stemvault_client::lanes::Lanes;
use stemvault_client::matching::decide;
use stemvault_client::progress::{FileProgress, Progress};
use stemvault_client::proof::{Proof, at_rest};
use stemvault_client::records::Uploads;
use stemvault_client::rows::{Coming, FILES};
use stemvault_client::send::SMALL;
use stemvault_client::source::Source;
use stemvault_client::target::{Arrived, How, NotSent, Target};

/// How often a file is sent because it changed.
const ROUNDS: usize = 3;

/// How many changed files are looked at together.
const LOOKS: usize = 255;

pub(super) type Line = Outcome<How>;

/// One push on its way.
pub(super) struct Sending<'a> {
    pub target: &'a Target,
    pub progress: &'a Progress,
    pub parallel: u8,
    proof: Arc<Proof>,
}

/// A file of a round, and its place among all.
type Placed = (usize, LocalFile);

/// What became of a file in one round.
struct Sent {
    place: usize,
    file: LocalFile,
    line: Line,
    proof: Proven,
}

/// What is known of a file that was sent.
enum Proven {
    /// It is read again at this moment; the address is that of its upload.
    Soon(JoinHandle<io::Result<Option<LocalFile>>>, Url, FileProgress),
    /// The server has it as it is here.
    Same,
    /// It is not what was sent.
    Changed,
    /// It did not arrive.
    No,
}

impl<'a> Sending<'a> {
    pub(super) fn new(target: &'a Target, progress: &'a Progress, parallel: u8) -> Self {
        Self {
            target,
            progress,
            parallel,
            proof: Arc::default(),
        }
    }

    /// Sends all files; the lines have their order.
    pub(super) async fn all(&self, files: &[LocalFile], uploads: &Uploads) -> Vec<Line> {
        let mut lines: Vec<_> = files
            .iter()
            .map(|file| Outcome::new(&file.path, file.length))
            .collect();
        let mut todo: Vec<Placed> = files.iter().cloned().enumerate().collect();
        let mut known = uploads.clone();
        for round in 1..=ROUNDS {
            let mut sent = Vec::new();
            for one in self.round(&todo, &known).await {
                sent.push(self.proven(one).await);
            }
            todo.clear();
            for mut one in sent {
                // What was compared long ago may have been written since.
                if let Proven::Same = one.proof
                    && !one.file.is_unchanged().unwrap_or(false)
                {
                    one.proof = Proven::Changed;
                }
                one.line.moved += lines[one.place].moved;
                if let Proven::Changed = one.proof {
                    one.line.hash = None;
                    one.line.outcome = None;
                    one.line.problem = Some(NotSent::Changed.to_string());
                    todo.push((one.place, one.file));
                }
                lines[one.place] = one.line;
            }
            if todo.is_empty() || round == ROUNDS {
                break;
            }
            todo = self.rested(&mut lines, todo).await;
            match self.target.connection.get(&self.target.list).await {
                Ok(now) => known = now,
                // They stay named as changed: the next push finds out.
                Err(_) => break,
            }
        }
        lines
    }

    /// Those of the changed files that nobody writes any more, as they are now.
    async fn rested(&self, lines: &mut [Line], changed: Vec<Placed>) -> Vec<Placed> {
        let looks = changed
            .into_iter()
            .map(|(place, file)| async move { (place, at_rest(&file).await) });
        let mut rested = Vec::new();
        for (place, found) in in_parallel(LOOKS, looks).await {
            match found {
                Ok(Some(file)) => {
                    self.progress.say(&format!(
                        "{}: changed while it was sent; sending it again as it is now",
                        file.path
                    ));
                    lines[place] = Line {
                        moved: lines[place].moved,
                        ..Outcome::new(&file.path, file.length)
                    };
                    rested.push((place, file));
                }
                Ok(None) => {}
                Err(problem) => {
                    lines[place].problem = Some(NotSent::Unreadable(problem).to_string());
                }
            }
        }
        rested
    }

    /// Sends each once; what has arrived is read again beside the sending of others.
    async fn round(&self, files: &[Placed], uploads: &Uploads) -> Vec<Sent> {
        let lanes = Lanes::new(self.parallel, uploads);
        // Large ones are held up by the line, small ones by its length.
        let (small, large): (Vec<_>, Vec<_>) =
            files.iter().partition(|(_, file)| file.length <= SMALL);
        let send = |(place, file): &Placed| {
            // Before the first of them goes: no row leaves without those that come after it.
            let coming = self.target.coming(file.length);
            self.one(*place, file.clone(), uploads, coming)
        };
        let in_lane = |placed: &Placed| {
            let (lane, sent) = (lanes.one(placed.1.length), send(placed));
            async move {
                let _lane = lane.await;
                sent.await
            }
        };
        let (mut sent, rest) = futures::join!(
            // Where they are sent they wait for their places, and a row for those that can still join it.
            in_parallel(MOST + FILES, small.into_iter().map(send)),
            in_parallel(Lanes::MOST, large.into_iter().map(in_lane)),
        );
        sent.extend(rest);
        sent
    }

    async fn one(
        &self,
        place: usize,
        file: LocalFile,
        uploads: &Uploads,
        coming: Option<Coming>,
    ) -> Sent {
        let bar = self.progress.file(&file.path, file.length);
        let plan = decide(&file, self.target.kind.as_deref(), &uploads.uploads);
        let mut line = Outcome::new(&file.path, file.length);
        let source = Source::new(file.clone());
        let proof = match Box::pin(self.target.send(source, plan, coming, &bar)).await {
            Ok(arrived) => {
                line.outcome = Some(arrived.how);
                line.hash = Some(arrived.hash.to_string());
                line.moved = arrived.moved;
                let segments = arrived.upload.path_segments();
                line.upload = segments.and_then(|mut all| all.next_back().map(str::to_owned));
                self.prove(&file, arrived, bar)
            }
            Err(NotSent::Changed) => {
                bar.arrived();
                Proven::Changed
            }
            Err(problem) => {
                let problem = problem.to_string();
                bar.failed(&problem);
                line.problem = Some(problem);
                Proven::No
            }
        };
        Sent {
            place,
            file,
            line,
            proof,
        }
    }

    fn prove(&self, file: &LocalFile, arrived: Arrived, bar: FileProgress) -> Proven {
        let Arrived {
            how, hash, upload, ..
        } = arrived;
        if how == How::AlreadyThere {
            // It was read just now, to find that out.
            bar.done(said(how));
            return Proven::Same;
        }
        bar.arrived();
        let (proof, file, shown) = (Arc::clone(&self.proof), file.clone(), bar.clone());
        let read = tokio::spawn(async move {
            let compared = proof.compare(&file, hash).await;
            if let Ok(Some(_)) = compared {
                shown.done(said(how));
            }
            compared
        });
        Proven::Soon(read, upload, bar)
    }

    /// What reading it again has shown.
    async fn proven(&self, mut sent: Sent) -> Sent {
        let (read, upload, bar) = match sent.proof {
            Proven::Soon(read, upload, bar) => (read, upload, bar),
            proof => {
                sent.line.checked = matches!(proof, Proven::Same);
                return Sent { proof, ..sent };
            }
        };
        sent.proof = match read.await.map_err(io::Error::other).flatten() {
            Ok(Some(now)) => {
                sent.line.checked = true;
                sent.file = now;
                Proven::Same
            }
            Ok(None) => {
                // A mixture is neither kept nor submitted. If this fails too, the next push finds it.
                drop(self.target.endpoint.terminate(&upload).await);
                Proven::Changed
            }
            Err(problem) => {
                let problem = NotSent::Unproven(problem).to_string();
                bar.failed(&problem);
                sent.line.problem = Some(problem);
                Proven::No
            }
        };
        sent
    }
}

fn said(how: How) -> &'static str {
    match how {
        How::Sent => "sent and checked",
        How::Resumed => "resumed, sent and checked",
        How::AlreadyThere => "already there, checked",
    }
}

//! What the studio does: review, complete, hold, reopen, recall, links; and the jobs.

use std::time::Duration;

use chrono::TimeDelta;
use stemvault_scheduler::RunRequest;
use stemvault_storage::clock::Clock;
use stemvault_storage::error::Error;
use stemvault_storage::link::Scope;
use stemvault_storage::order::{Hold, Order, Policy};
use stemvault_storage::session::Kind;

use crate::sending::Deed;
use crate::told::{About, Completion, LinkTold, Saying, Word};

impl Deed {
    pub async fn accept(mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let saying = self.saying(About::Review(session.id), true);
        self.world.state().told.orders[self.order].accepts += 1;
        let links = if session.kind == Kind::Material {
            self.upload_links()
        } else {
            Vec::new()
        };
        let reason = Some("as received".to_owned());
        let answer = self
            .node
            .vault
            .sessions
            .accept(self.id(), session.id, reason)
            .await;
        saying.end(&answer, |_| Word::Is("accepted"));
        for link in links {
            link.end(&answer, |_| Word::No);
        }
        self.answered("accept", &answer);
    }

    /// Accepted material ends the upload links.
    fn upload_links(&self) -> Vec<Saying> {
        let links = self.world.state().told.orders[self.order].links.clone();
        let uploads = links.iter().enumerate().filter(|(_, link)| link.is_upload);
        uploads
            .map(|(at, _)| self.saying(About::Link(at), true))
            .collect()
    }

    pub async fn give_back(mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let saying = self.saying(About::Review(session.id), true);
        let reasons = vec!["the kick is missing".to_owned()];
        let answer = self
            .node
            .vault
            .sessions
            .return_session(self.id(), session.id, reasons)
            .await;
        saying.end(&answer, |_| Word::Is("returned"));
        self.answered("return", &answer);
    }

    /// Completes the order, most often under a policy that lets the next stages come soon.
    pub async fn complete(mut self, policy: Option<Policy>) {
        let policy = policy.unwrap_or(Policy {
            working_days: self.chance.pick(&[0, 0, 0, 1, 90]),
            archive_months: self.chance.pick(&[0, 1, 1, 1, 1, 1, 24]),
            time_zone: chrono_tz::Tz::UTC,
        });
        let saying = self.saying(About::Open, true);
        let completion = Completion {
            policy,
            began: self.world.clock.now(),
            ended: None,
            void: false,
        };
        let at = {
            let completions = &mut self.world.state().told.orders[self.order].completions;
            completions.push(completion);
            completions.len() - 1
        };
        let answer = self.node.vault.orders.complete(self.id(), policy).await;
        saying.end(&answer, |_| Word::No);
        let ended = self.world.clock.now();
        {
            let completion = &mut self.world.state().told.orders[self.order].completions[at];
            completion.ended = Some(ended);
            completion.void |= matches!(answer, Err(Error::Refused(_)));
        }
        let Policy {
            working_days,
            archive_months,
            ..
        } = policy;
        self.answered(
            &format!("complete ({working_days} days, {archive_months} months)"),
            &answer,
        );
    }

    /// Sends what is missing, submits, sometimes reviews, and completes.
    pub async fn wrap_up(mut self) {
        for _ in 0..4 {
            let open = self.open_uploads();
            if open.is_empty() {
                break;
            }
            self.clone().append().await;
            self.chance.next();
        }
        for _ in 0..2 {
            self.clone().submit().await;
            self.chance.next();
        }
        if self.chance.in_1000(300) {
            self.clone().accept().await;
        }
        self.complete(None).await;
    }

    async fn change(
        self,
        what: &str,
        (about, loosens): (About, bool),
        word: Word,
        make: impl Fn(&Order) -> Result<Order, stemvault_storage::refusal::Refusal> + Send,
    ) {
        let saying = self.saying(about, loosens);
        let answer = self.node.vault.core.change(self.id(), make).await;
        saying.end(&answer, |_| word);
        self.answered(what, &answer);
    }

    pub async fn hold(self) {
        let hold = Hold {
            reason: "a quarrel".to_owned(),
            at: self.world.clock.now(),
        };
        let make = move |order: &Order| order.hold(hold.clone());
        self.change("hold", (About::Hold, false), Word::Yes, make)
            .await;
    }

    pub async fn lift(self) {
        self.change(
            "lift the hold",
            (About::Hold, true),
            Word::No,
            Order::release_hold,
        )
        .await;
    }

    pub async fn reopen(self) {
        let began = self.world.clock.now();
        let saying = self.saying(About::Open, true);
        let answer = self.node.vault.core.change(self.id(), Order::reopen).await;
        saying.end(&answer, |_| Word::Yes);
        if answer.is_ok() {
            let completions = &mut self.world.state().told.orders[self.order].completions;
            for it in completions
                .iter_mut()
                .filter(|it| it.ended.is_some_and(|end| end < began))
            {
                it.void = true;
            }
        }
        self.answered("reopen", &answer);
    }

    pub async fn recall(mut self) {
        let days = self.chance.pick(&[1, 14, 60]);
        let until = self.world.clock.now() + TimeDelta::days(days);
        let make = move |order: &Order| order.recall(until);
        self.change(
            &format!("recall {days} days"),
            (About::Recall, true),
            Word::Until(until),
            make,
        )
        .await;
    }

    pub async fn end_recall(self) {
        self.change(
            "end the recall",
            (About::Recall, true),
            Word::No,
            Order::end_recall,
        )
        .await;
    }

    pub async fn link(mut self) {
        let session = self.session().filter(|_| self.chance.in_1000(500));
        let is_upload = session.is_none();
        let scope = session.map_or(Scope::Upload, |it| Scope::Session { session: it.id });
        // Whoever accepts meanwhile ends the new link as well.
        let accepting = self.reviews_run();
        let accepts = self.world.state().told.orders[self.order].accepts;
        let answer = self
            .node
            .vault
            .access
            .create_link(self.id(), scope, None)
            .await;
        self.answered("link", &answer);
        let Ok((link, token)) = answer else {
            return;
        };
        let order = &mut self.world.state().told.orders[self.order];
        let certain = !is_upload || !accepting && order.accepts == accepts;
        order.links.push(LinkTold {
            id: link.id,
            token,
            is_upload,
        });
        if certain {
            order.tell(About::Link(order.links.len() - 1), Word::Yes);
        }
    }

    fn reviews_run(&self) -> bool {
        let state = self.world.state();
        let order = &state.told.orders[self.order];
        order
            .sessions
            .iter()
            .any(|it| order.word(About::Review(it.id)).is_none())
    }

    pub async fn revoke(mut self) {
        let links = self.world.state().told.orders[self.order].links.clone();
        if links.is_empty() {
            return;
        }
        let at = self.chance.index(links.len());
        let saying = self.saying(About::Link(at), true);
        let answer = self.node.vault.access.revoke_link(links[at].id).await;
        saying.end(&answer, |_| Word::No);
        self.answered("revoke a link", &answer);
    }

    /// All jobs once; or those whose time has come.
    pub async fn jobs(mut self) {
        if self.chance.in_1000(200) {
            let answer = self.node.jobs.tick().await;
            return self.answered("tick", &answer);
        }
        let request = RunRequest {
            dry_run: self.chance.in_1000(30),
            allow_many: true,
            accept_clock: false,
            ..RunRequest::default()
        };
        // A run that waits for late writes goes on by itself.
        let again = self.chance.in_1000(400);
        for _ in 0..if again { 2 } else { 1 } {
            let answer = self.node.jobs.run(request).await;
            let notes = answer.iter().flatten().flat_map(|run| &run.orders);
            let notes: Vec<_> = notes
                .map(|note| format!("{} {}", note.order, note.action))
                .collect();
            self.answered(&format!("jobs [{}]", notes.join(", ")), &answer);
            if again {
                let seconds = self.chance.pick(&[1, 40, 121, 200]);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
        }
    }

    /// A sweep beside everything else.
    pub async fn sweep(self) {
        let answer = self.node.vault.sweep.sweep(self.id()).await;
        self.answered("sweep", &answer);
    }
}

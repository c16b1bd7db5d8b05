//! An order with more sessions than a row could name: it lives like any other, and it has an end.

use super::*;

impl Studio {
    async fn another(&self, nth: usize) -> Result<(), Error> {
        let upload = self.create_named(&format!("mix {nth}.wav"), 4).await;
        let writer = self.vault.appends.begin_append(self.order, upload, 0);
        let mut writer = Box::pin(writer).await.unwrap();
        writer.push(b"boom").await.unwrap();
        writer.flush().await.unwrap();
        let (kind, form, rules) = (Kind::Material, Form::new(), Rules::new());
        let submitted = self
            .vault
            .sessions
            .submit(self.order, kind, form, rules)
            .await;
        if submitted.is_err() {
            self.vault
                .uploads
                .terminate(self.order, upload)
                .await
                .unwrap();
        }
        submitted.map(drop)
    }
}

#[tokio::test]
async fn an_order_of_many_sessions_is_archived_released_and_purged() {
    let (studio, _) = Studio::in_memory().await;
    for nth in 0..240 {
        studio.clock.advance(Duration::from_secs(61));
        studio.another(nth).await.unwrap();
    }
    // As many as were sent in this hour.
    let mut more = 0;
    let refused = loop {
        match studio.another(240 + more).await {
            Ok(()) => more += 1,
            Err(Error::Refused(refusal)) => break refusal,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(more < 60, "{more}");
    assert!(
        matches!(refused.kind, RefusalKind::TooMany { .. }),
        "{refused:?}"
    );
    assert!(refused.message.contains("in an hour"), "{refused:?}");
    studio.clock.advance(Duration::from_secs(3600));
    studio.another(300).await.unwrap();

    studio
        .vault
        .orders
        .complete(studio.order, AT_ONCE)
        .await
        .unwrap();
    let mut stages = Vec::new();
    while studio.stage().await != Stage::Purged {
        let runs = studio.run().await;
        let failed = runs.iter().any(|run| run.outcome == Outcome::Failed);
        assert!(!failed, "{runs:?}");
        stages.push(studio.stage().await.name());
        if studio.stage().await == Stage::Releasing {
            let order = studio.vault.core.order(studio.order).await.unwrap();
            let sessions = studio.vault.core.sessions(studio.order).await.unwrap();
            let proof = order.proof().unwrap();
            assert!(proof.sessions.is_empty() && sessions.iter().all(|row| proof.covers(row)));
        }
        studio.clock.advance(Duration::from_secs(121));
    }
    assert_eq!(stages, ["releasing", "purging", "purged"]);
}

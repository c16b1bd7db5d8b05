//! The upload link for people and other programs: what it shows, what it submits, and that a link
//! which opens nothing says nothing.

use axum::body::Body;

use crate::studio::{Studio, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";

#[tokio::test]
async fn strangers_learn_nothing() {
    let studio = Studio::with(|settings, _| settings.server.wrong_tries = 1000).await;
    let vault = &studio.app.vault;
    let scope = || stemvault_storage::link::Scope::Upload;
    let (gone, revoked) = vault
        .create_link(studio.order.id, scope(), None)
        .await
        .unwrap();
    vault.revoke_link(gone.id).await.unwrap();
    let end = Some(studio.app.clock.now());
    let (_, expired) = vault
        .create_link(studio.order.id, scope(), end)
        .await
        .unwrap();
    let mut seen = Vec::new();
    for link in ["nothing", revoked.reveal(), expired.reveal()] {
        for (path, accept) in [
            ("", "text/html"),
            ("", "application/json"),
            ("/uploads", "*/*"),
        ] {
            let accept = format!("Accept: {accept}");
            let answer = studio
                .get(&format!("/u/{link}{path}"), &[&accept])
                .await
                .expect(404);
            seen.push((path, accept, answer.body));
        }
        let answer = studio
            .ask("POST", &format!("/u/{link}"), &[TUS], Body::empty())
            .await;
        seen.push(("post", String::new(), answer.expect(404).body));
        let submit = format!("/u/{link}/submit");
        let answer = studio
            .ask("POST", &submit, &[], Body::from("no json"))
            .await;
        seen.push(("submit", String::new(), answer.expect(404).body));
    }
    assert_eq!(seen[..5], seen[5..10]);
    assert_eq!(seen[..5], seen[10..]);
    let session = format!("/d/{}", studio.link);
    studio.get(&session, &[]).await.expect(404);
    let bearer = "Authorization: Bearer nothing";
    let no = studio
        .ask("POST", "/files/", &[TUS, bearer], Body::empty())
        .await
        .expect(401);
    assert_eq!(no.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn the_link_shows_and_submits_what_arrived() {
    let studio = Studio::with(|settings, _| {
        settings.orders.required_form = vec!["song".to_owned()];
    });
    let studio = studio.await;
    let (page, list) = (
        format!("/u/{}", studio.link),
        format!("/u/{}/uploads", studio.link),
    );
    let submit = format!("{page}/submit");
    let at = studio.create("<b>Take</b>.bin", 4).await;
    studio.patch(&at, 0, None, whole(b"ab")).await.expect(204);
    let html = studio.get(&page, &["Accept: text/html"]).await.expect(200);
    assert!(
        html.text()
            .contains("&lt;b&gt;Take&lt;/b&gt;.bin: 2 bytes of 4 bytes"),
        "{}",
        html.text()
    );
    assert!(html.text().contains("stemvault push"));
    assert_eq!(html.header("referrer-policy"), "no-referrer");
    let json = studio
        .get(&page, &["Accept: application/json"])
        .await
        .expect(200)
        .json();
    assert_eq!(json, studio.get(&list, &[]).await.expect(200).json());
    let upload = &json["uploads"][0];
    assert_eq!(
        (&upload["offset"], &upload["length"]),
        (&"2".into(), &"4".into())
    );
    assert_eq!(
        (&upload["state"], &upload["hash"]),
        (&"open".into(), &serde_json::Value::Null)
    );
    assert!(at.ends_with(upload["id"].as_str().unwrap()));

    let form = || Body::from(r#"{"form": {"song": "One"}}"#);
    let no = studio.ask("POST", &submit, &[], form()).await.expect(400);
    assert!(no.text().contains("not wholly uploaded"), "{}", no.text());
    studio.patch(&at, 2, None, whole(b"cd")).await.expect(204);
    let no = studio
        .ask("POST", &submit, &[], Body::empty())
        .await
        .expect(400);
    assert!(no.text().contains("\\\"song\\\""), "{}", no.text());
    let receipt = studio
        .ask("POST", &submit, &[], form())
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&receipt["order"], &receipt["total_bytes"]),
        (&"2026-0117".into(), &"4".into())
    );
    let again = studio
        .ask("POST", &submit, &[], form())
        .await
        .expect(201)
        .json();
    assert_eq!(again, receipt);
    let json = studio.get(&list, &[]).await.expect(200).json();
    assert_eq!(json["uploads"][0]["state"], "sealed");
    // What was submitted cannot be taken back by its sender.
    studio
        .ask("DELETE", &at, &[TUS], Body::empty())
        .await
        .expect(403);
}

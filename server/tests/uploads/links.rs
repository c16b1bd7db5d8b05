//! The upload link for people and other programs: what it shows, what it submits, and that a link
//! which opens nothing says nothing.

use axum::body::Body;

use serde_json::json;

use crate::studio::{Answer, Studio, b3, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";

#[tokio::test]
async fn strangers_learn_nothing() {
    let studio = Studio::with(|settings, _| settings.server.wrong_tries = 1000).await;
    let vault = &studio.app.vault;
    let scope = || stemvault_storage::link::Scope::Upload;
    let (gone, revoked) = vault
        .access
        .create_link(studio.order.id, scope(), None)
        .await
        .unwrap();
    vault.access.revoke_link(gone.id).await.unwrap();
    let end = Some(studio.app.clock.now());
    let (_, expired) = vault
        .access
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
            .contains("&#60;b&#62;Take&#60;/b&#62;.bin: 2 bytes of 4 bytes"),
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
    // The disk is not ours alone: what is free on it changes between two looks.
    let but_space = |mut listed: serde_json::Value| {
        listed["limits"]["space"].take();
        listed
    };
    let listed = studio.get(&list, &[]).await.expect(200).json();
    assert_eq!(but_space(json.clone()), but_space(listed));
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

#[tokio::test]
async fn what_the_sender_compared_and_left_out_is_on_the_receipt_and_acceptance_ends_with_a_page() {
    let studio = Studio::new().await;
    let page = format!("/u/{}", studio.link);
    let (one, two) = (studio.create("one.bin", 4), studio.create("two.bin", 4));
    let (one, two) = (one.await, two.await);
    for at in [&one, &two] {
        studio.patch(at, 0, None, whole(b"abcd")).await.expect(204);
    }
    let id = |at: &str| at.rsplit('/').next().unwrap().to_owned();
    let (right, wrong) = (b3(b"abcd"), b3(b"abce"));
    let hashes = format!(
        r#"{{"files": {{"{}": "{right}", "{}": "{wrong}", "{}": "{right}"}}}}"#,
        id(&one),
        id(&two),
        "0".repeat(32)
    );
    let checked = format!("{page}/checked");
    for _ in 0..2 {
        let said = Body::from(hashes.clone());
        let said = studio.ask("POST", &checked, &[], said).await.expect(200);
        assert_eq!(said.json()["checked"], serde_json::json!([id(&one)]));
    }
    let state = studio.get(&format!("{page}/state"), &[]).await.expect(200);
    let known = |at: &str| {
        let uploads = state.json()["uploads"].as_array().unwrap().clone();
        let upload = uploads.into_iter().find(|it| it["id"] == id(at));
        upload.unwrap()["checked"].clone()
    };
    assert_eq!((known(&one), known(&two)), (true.into(), false.into()));

    let submit = format!("{page}/submit");
    let said = r#"{"left_out": {"paths": ["S/<three>.bin"], "more": 2}}"#;
    let receipt = studio.ask("POST", &submit, &[], Body::from(said)).await;
    let receipt = receipt.expect(201).json();
    assert_eq!(receipt["left_out"], "S/<three>.bin and 2 more");
    let of = |n: usize| {
        (
            &receipt["files"][n]["path"],
            &receipt["files"][n]["checked"],
        )
    };
    assert_eq!(of(0), (&"one.bin".into(), &true.into()));
    assert_eq!(of(1), (&"two.bin".into(), &false.into()));
    // The form of the next one does not inherit it.
    let form = studio.get(&format!("{page}/state"), &[]).await.expect(200);
    assert!(!form.json()["form"].to_string().contains("three"));

    let session = receipt["session"].as_str().unwrap();
    let printed = format!("{page}/receipts/{session}");
    let vault = &studio.app.vault;
    let accepted = vault
        .sessions
        .accept(studio.order.id, session.parse().unwrap(), None);
    accepted.await.unwrap();
    let html = studio.get(&page, &["Accept: text/html"]).await.expect(200);
    for said in ["The studio has accepted your files", &printed] {
        assert!(html.text().contains(said), "{}", html.text());
    }
    assert!(!html.text().contains("stemvault push"), "{}", html.text());
    let receipt = studio.get(&printed, &[]).await.expect(200);
    for said in [
        "accepted by the studio",
        "Left out by the sender",
        "S/&#60;three&#62;.bin and 2 more",
        "Checked, 1 of 2",
    ] {
        assert!(receipt.text().contains(said), "{}", receipt.text());
    }
    let state = studio.get(&format!("{page}/state"), &[]).await.expect(200);
    assert_eq!(state.json()["stage_open"], false);
    // It takes nothing any more, and says why.
    let late = studio.ask("POST", &page, &[TUS], Body::empty()).await;
    assert!(late.expect(403).text().contains("has accepted the files"));
    let again = studio.ask("POST", &submit, &[], Body::empty()).await;
    again.expect(409);
    // Taken back, it is nothing to anybody.
    let links = vault.core.links(studio.order.id).await.unwrap();
    let ended = links.iter().find(|link| link.accepted.is_some()).unwrap();
    vault.access.revoke_link(ended.id).await.unwrap();
    studio.get(&page, &["Accept: text/html"]).await.expect(404);
    studio.get(&printed, &[]).await.expect(404);
}

/// What a page says stands in its messages: nothing of it is left in English.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_link_speak_french_to_who_asks_for_it() {
    let studio = Studio::with(|settings, _| {
        settings.orders.required_form = vec!["song".to_owned()];
    });
    let studio = studio.await;
    let at = studio.create("Prise.bin", 4).await;
    studio.patch(&at, 0, None, whole(b"abcd")).await.expect(204);
    let page = format!("/u/{}", studio.link);
    let french = "Accept-Language: fr-FR,fr;q=0.9,en;q=0.5";
    let asked = ["Accept: text/html", french];
    let said = |page: &Answer, words: &[&str]| {
        let html = page.text();
        assert!(html.contains("<html lang=\"fr\">"), "{html}");
        for word in words {
            assert!(html.contains(word), "{word}: {html}");
        }
        for word in ["the ", "studio has", "files", "Receipt"] {
            assert!(!html.contains(word), "{word}: {html}");
        }
    };
    let plain = studio.get(&format!("{page}?plain"), &asked).await;
    said(
        &plain.expect(200),
        &["Envoi pour la commande", "1 fichier sur 1 est arrivé"],
    );
    let state = studio.get(&format!("{page}/state"), &[french]).await;
    let state = state.expect(200).json();
    assert_eq!(state["form"]["fields"][0]["label"], "Titre");
    let receipt = studio.submit_form(json!({"song": "Train de nuit"})).await;
    let session = receipt.expect(201).json()["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let receipt = studio
        .get(&format!("{page}/receipts/{session}"), &asked)
        .await;
    said(
        &receipt.expect(200),
        &["Reçu de la commande", "<dt>Titre</dt>", "Octets"],
    );
    let nothing = studio.get("/u/nothing", &asked).await;
    said(&nothing.expect(404), &["demandez-en un nouveau au studio"]);
}

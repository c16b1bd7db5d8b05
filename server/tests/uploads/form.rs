//! The form, the submit with it, the receipt and the page itself.

use axum::body::Body;
use serde_json::{Value, json};

use crate::page::studio;
use crate::studio::{Studio, whole};

#[tokio::test]
async fn the_form_is_kept_and_the_engineer_submits_with_it() {
    let studio = studio().await;
    let put = |form: Value| {
        let body = Body::from(json!({ "form": form }).to_string());
        studio.at_link("PUT", "form", &[], body)
    };
    studio.upload("a.txt", b"a").await;
    put(json!({"song": " Eins ", "isrc": "nonsense"}))
        .await
        .expect(204);
    let field = |state: &Value, at: usize| state["form"]["fields"][at].clone();
    let state = studio.state().await;
    assert_eq!(field(&state, 0)["value"], " Eins ");
    assert!(
        field(&state, 4)["problem"]
            .as_str()
            .unwrap()
            .contains("ISRC")
    );
    assert_eq!(field(&state, 7)["problem"], Value::Null);
    for bad in [
        json!({"song": "x".repeat(5000)}),
        json!({"song": "\u{7}"}),
        json!({"incomplete": "x"}),
        json!({"song": 5}),
        json!([]),
    ] {
        put(bad).await.expect(400);
    }
    assert_eq!(field(&studio.state().await, 0)["value"], " Eins ");

    let no = studio
        .submit_form(json!({"song": "Zwei", "tempo": "fast"}))
        .await
        .expect(400);
    assert_eq!(no.json()["missing"], json!(["tempo", "label"]));
    // Without a form the draft is meant, whoever submits.
    let no = studio
        .at_link("POST", "submit", &[], Body::empty())
        .await
        .expect(400);
    assert_eq!(no.json()["missing"], json!(["isrc", "label"]));
    let bearer = format!("Authorization: Bearer {}", studio.token);
    let bearer = [bearer.as_str()];
    let engineer = |body: Value| {
        let body = Body::from(body.to_string());
        let path = "/api/v1/orders/2026-0117/submit";
        studio.ask("POST", path, &bearer, body)
    };
    let no = engineer(json!({"kind": "material", "form": {"isrc": "USRC17607839"}}))
        .await
        .expect(400);
    assert_eq!(no.json()["missing"], json!(["label"]));
    // What the client has sent is not sealed by a word that was left out.
    let no = engineer(json!({"incomplete": "they are on tour"}))
        .await
        .expect(400);
    assert!(
        no.text().contains("2026-0117") && no.text().contains("delivery (what the client gets)"),
        "{}",
        no.text()
    );
    engineer(json!({"kind": "material", "incomplete": " "}))
        .await
        .expect(400);
    let body = json!({"kind": "material", "form": {"isrc": "USRC17607839"}, "incomplete": "they are on tour"});
    let receipt = engineer(body).await.expect(201).json();
    let session = receipt["session"].as_str().unwrap().parse().unwrap();
    let kept = studio
        .app
        .vault
        .manifests
        .receipt(studio.order.id, session)
        .await
        .unwrap();
    let form = &kept.manifest.form;
    assert_eq!(
        (form["song"].as_str(), form["isrc"].as_str()),
        ("Eins", "USRC17607839")
    );
    assert_eq!(form["incomplete"], "they are on tour");
    // The draft went into the session; the next one begins with what was said there.
    assert_eq!(
        studio
            .app
            .vault
            .drafts
            .draft(studio.order.id)
            .await
            .unwrap(),
        None
    );
    assert_eq!(field(&studio.state().await, 0)["value"], "Eins");
    put(json!({})).await.expect(204);
}

#[tokio::test]
async fn a_receipt_is_a_page_to_print_for_the_one_who_sent_it() {
    let studio = Studio::new().await;
    studio.upload("<i>a</i>.txt", b"abc").await;
    let form = json!({"song": "<script>alert(1)</script>", "notes": "two\nlines"});
    let receipt = studio.submit_form(form).await.expect(201).json();
    let session = receipt["session"].as_str().unwrap();
    let page = studio
        .get(&format!("/u/{}/receipts/{session}", studio.link), &[])
        .await
        .expect(200);
    let text = page.text();
    for word in [
        "2026-0117",
        session,
        receipt["files"][0]["hash"].as_str().unwrap(),
        "&#60;i&#62;a",
        "two\nlines",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(
        !text.contains("<script") && !text.contains(" style="),
        "{text}"
    );
    assert!(
        page.header("content-security-policy")
            .contains("style-src 'self'")
    );
    assert!(
        !page
            .header("content-security-policy")
            .contains("script-src")
    );
    let style = studio.get("/assets/style.css", &[]).await.expect(200);
    assert!(style.text().contains("@media print"));
    assert_eq!(style.header("x-content-type-options"), "nosniff");
    let tag = format!("If-None-Match: {}", style.header("etag"));
    studio.get("/assets/style.css", &[&tag]).await.expect(304);
    // What the studio makes is not for this link.
    let at = studio.create_as_studio("mix.txt", b"mix").await;
    assert!(!at.is_empty());
    let other = format!("/u/{}/receipts/{at}", studio.link);
    let browser = "Accept: text/html";
    let no = studio.get(&other, &[browser]).await.expect(404);
    let unknown = format!("/u/{}/receipts/{}", studio.link, "0".repeat(64));
    assert_eq!(
        no.body,
        studio.get(&unknown, &[browser]).await.expect(404).body
    );
}

impl Studio {
    /// Uploads and submits a delivery; its session.
    async fn create_as_studio(&self, name: &str, bytes: &[u8]) -> String {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let word = |text: &str| STANDARD.encode(text);
        let metadata = format!(
            "Upload-Metadata: order {},kind {},filename {}",
            word("2026-0117"),
            word("delivery"),
            word(name)
        );
        let bearer = format!("Authorization: Bearer {}", self.token);
        let length = format!("Upload-Length: {}", bytes.len());
        let tus = "Tus-Resumable: 1.0.0";
        let headers = [tus, &bearer, &length, &metadata];
        let made = self
            .ask("POST", "/files/", &headers, Body::empty())
            .await
            .expect(201);
        let headers = [tus, &bearer, crate::studio::OCTETS, "Upload-Offset: 0"];
        let at = made.header("location");
        self.ask("PATCH", at, &headers, whole(bytes))
            .await
            .expect(204);
        let body = Body::from(r#"{"kind": "delivery"}"#);
        let path = "/api/v1/orders/2026-0117/submit";
        let receipt = self
            .ask("POST", path, &[&bearer], body)
            .await
            .expect(201)
            .json();
        receipt["session"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_page_works_without_its_script_and_says_so() {
    let studio = Studio::new().await;
    let page = format!("/u/{}", studio.link);
    let browser = "Accept: text/html";
    let shell = studio.get(&page, &[browser]).await.expect(200);
    let plain = studio
        .get(&format!("{page}?plain"), &[browser])
        .await
        .expect(200);
    for text in [shell.text(), plain.text()] {
        assert!(
            text.contains("stemvault push") && text.contains("2026-0117"),
            "{text}"
        );
    }
    assert!(!plain.text().contains("<script"));
    if stemvault::assets::is_built() {
        let link = format!("<main id=\"upload\" data-link=\"{page}\">");
        assert!(shell.text().contains(&link), "{}", shell.text());
        assert!(shell.text().contains("<noscript>"));
        let policy = shell.header("content-security-policy");
        assert!(
            policy.contains("script-src 'self';") && !policy.contains("unsafe"),
            "{policy}"
        );
        let script = studio.get("/assets/upload.js", &[]).await.expect(200);
        assert_eq!(
            script.header("content-type"),
            "text/javascript; charset=utf-8"
        );
    } else {
        assert!(shell.text().contains("built without its upload page"));
        studio.get("/assets/upload.js", &[]).await.expect(404);
    }
}

//! The upload link as the page uses it: who may, state, preflight. The rest is in `form.rs`.

use axum::body::Body;
use serde_json::{Value, json};
use stemvault_storage::link::Scope;

use crate::studio::{Answer, Studio, whole};

pub(crate) const MEDIA: &str = "Content-Type: application/vnd.stemvault.preflight";

/// The smallest good WAV: one channel, 16 bit, `frames` frames.
fn wav(rate: u32, frames: u32) -> Vec<u8> {
    let mut file = b"RIFF".to_vec();
    file.extend((36 + frames * 2).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((frames * 2).to_le_bytes());
    file.extend(std::iter::repeat_n(7, frames as usize * 2));
    file
}

/// One file of a preflight: its head is what comes first of `bytes`.
pub(crate) fn part(path: &str, length: usize, bytes: &[u8]) -> Vec<u8> {
    let json = json!({"path": path, "length": length.to_string()});
    framed(&json, &bytes[..bytes.len().min(65_536)])
}

fn framed(json: &Value, head: &[u8]) -> Vec<u8> {
    let json = json.to_string();
    let mut part = Vec::new();
    for piece in [json.as_bytes(), head] {
        part.extend(u32::try_from(piece.len()).unwrap().to_be_bytes());
        part.extend(piece);
    }
    part
}

impl Studio {
    pub(crate) async fn at_link(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: Body,
    ) -> Answer {
        let path = format!("/u/{}/{path}", self.link);
        self.ask(method, &path, headers, body).await
    }

    pub(crate) async fn state(&self) -> Value {
        let answer = self.at_link("GET", "state", &[], Body::empty()).await;
        answer.expect(200).json()
    }

    pub(crate) async fn preflight(&self, parts: &[Vec<u8>]) -> Value {
        let body = whole(&parts.concat());
        let answer = self.at_link("POST", "preflight", &[MEDIA], body).await;
        answer.expect(200).json()
    }

    async fn preflight_in(&self, scope: &str, parts: &[Vec<u8>]) -> Value {
        let (path, body) = (format!("preflight?scope={scope}"), whole(&parts.concat()));
        let answer = self.at_link("POST", &path, &[MEDIA], body).await;
        answer.expect(200).json()
    }

    pub(crate) async fn upload(&self, name: &str, bytes: &[u8]) {
        let at = self.create(name, bytes.len() as u64).await;
        if !bytes.is_empty() {
            self.patch(&at, 0, None, whole(bytes)).await.expect(204);
        }
    }

    pub(crate) async fn submit_form(&self, form: Value) -> Answer {
        let body = Body::from(json!({ "form": form }).to_string());
        self.at_link("POST", "submit", &[], body).await
    }
}

pub(crate) async fn studio() -> Studio {
    Studio::with(|settings, _| {
        settings.orders.required_form = vec!["song".to_owned(), "label".to_owned()];
    })
    .await
}

#[tokio::test]
async fn closed_links_look_alike_at_every_address() {
    // Nobody tries so many by chance; here all of them are to be answered.
    let studio = Studio::with(|settings, _| settings.server.wrong_tries = 100).await;
    let vault = &studio.app.vault;
    let order = studio.order.id;
    let (gone, revoked) = vault
        .access
        .create_link(order, Scope::Upload, None)
        .await
        .unwrap();
    vault.access.revoke_link(gone.id).await.unwrap();
    studio.upload("a.txt", b"a").await;
    let receipt = studio.submit().await;
    let session = studio.session_link(&receipt).await;
    let delivery = session.rsplit('/').next().unwrap();
    let page = format!("receipts/{}", receipt["session"].as_str().unwrap());
    let mut seen = Vec::new();
    for link in ["nothing", revoked.reveal(), delivery] {
        for (method, path) in [
            ("GET", "state"),
            ("POST", "preflight"),
            ("PUT", "form"),
            ("POST", "submit"),
            ("GET", page.as_str()),
            ("GET", "receipts/x"),
            ("GET", "?plain"),
        ] {
            let path = format!("/u/{link}/{path}");
            // A body that would be refused for other reasons is not even looked at.
            let answer = studio.ask(method, &path, &[], Body::from("no json")).await;
            seen.push(answer.expect(404).body);
        }
    }
    assert_eq!(seen[..7], seen[7..14]);
    assert_eq!(seen[..7], seen[14..]);
    assert!(seen.iter().all(|body| *body == seen[0]));
}

#[tokio::test]
async fn state_says_what_is_here_and_what_is_missing() {
    let studio = studio().await;
    let state = studio.state().await;
    assert_eq!(state["order"], "2026-0117");
    assert_eq!(
        (&state["stage_open"], &state["session"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(state["preflight"]["bytes"], "65536");
    assert_eq!(state["limits"]["used_files"], "0");
    assert_eq!(state["rules"]["truncated"], "refuse");
    let names: Vec<_> = state["form"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].as_str().unwrap(), field["required"] == true))
        .collect();
    let expected = [
        ("song", true),
        ("artist", false),
        ("notes", false),
        ("credits", false),
        ("isrc", false),
        ("tempo", false),
        ("key", false),
        ("label", true),
    ];
    assert_eq!(names, expected);
    let missing = |state: &Value| state["missing"].to_string();
    let said = missing(&state);
    assert!(
        said.contains("upload files first") && said.contains("Song:"),
        "{said}"
    );

    let at = studio.create("b.txt", 2).await;
    studio.upload("a.wav", &wav(48_000, 100)).await;
    studio.upload("b.wav", &wav(44_100, 10)).await;
    let state = studio.state().await;
    assert!(missing(&state).contains("not wholly uploaded"), "{state}");
    assert_eq!(state["findings"][0]["rule"], "mixed_sample_rates");
    assert_eq!(state["limits"]["used_files"], "3");
    studio.patch(&at, 0, None, whole(b"ab")).await.expect(204);
    studio
        .submit_form(json!({"song": "One", "label": "X"}))
        .await
        .expect(201);
    let state = studio.state().await;
    assert_eq!(
        (&state["submitted"], &state["missing"]),
        (&true.into(), &json!([]))
    );
    assert_eq!(state["session"]["file_count"], 3);
    assert_eq!(state["form"]["fields"][0]["value"], "One");
    let page = state["receipt"].as_str().unwrap();
    studio.get(page, &[]).await.expect(200);
}

/// What was read for the last answer is not read again, and what changed since shows at once.
#[tokio::test]
async fn a_change_shows_in_the_next_answer() {
    let studio = Studio::with(|settings, _| settings.orders.required_form.clear()).await;
    let seen = async || {
        let state = studio.state().await;
        let uploads = state["uploads"].as_array().unwrap().clone();
        let seen = uploads.iter().map(|it| {
            let word = |key: &str| it[key].as_str().unwrap().to_owned();
            (word("path"), word("offset"), word("state"))
        });
        seen.collect::<Vec<_>>()
    };
    let is = |path: &str, offset: &str, state: &str| {
        (path.to_owned(), offset.to_owned(), state.to_owned())
    };
    assert_eq!(seen().await, []);
    let a = studio.create("a.txt", 2).await;
    assert_eq!(seen().await, [is("a.txt", "0", "open")]);
    studio.patch(&a, 0, None, whole(b"a")).await.expect(204);
    let b = studio.create("b.txt", 3).await;
    let both = [is("a.txt", "1", "open"), is("b.txt", "0", "open")];
    assert_eq!(seen().await, both);
    assert_eq!(seen().await, both, "the same again");
    let tus = ["Tus-Resumable: 1.0.0"];
    studio
        .ask("DELETE", &b, &tus, Body::empty())
        .await
        .expect(204);
    studio.patch(&a, 1, None, whole(b"b")).await.expect(204);
    assert_eq!(seen().await, [is("a.txt", "2", "finished")]);
    studio.submit().await;
    assert_eq!(seen().await, [is("a.txt", "2", "sealed")]);
}

#[tokio::test]
async fn preflight_says_what_submit_says_and_writes_nothing() {
    let studio = Studio::with(|settings, _| {
        settings.orders.required_form.clear();
    })
    .await;
    let long = wav(48_000, 100_000);
    let files: [(&str, Vec<u8>); 6] = [
        ("S/good.wav", long.clone()),
        ("S/short.wav", long[..150_000].to_vec()),
        ("S/other.wav", wav(44_100, 40_000)),
        ("S/mp3.wav", b"\xFF\xFB\x90\x64\0\0\0\0".to_vec()),
        ("S/empty.txt", Vec::new()),
        ("S/web.aif", b"<html><body>404".to_vec()),
    ];
    let mut parts: Vec<_> = files
        .iter()
        .map(|(path, bytes)| part(path, bytes.len(), bytes))
        .collect();
    parts.push(part("S/.DS_Store", 6148, b"\0\0\0\x01Bud1"));
    parts.push(part("../up.wav", 3, b"abc"));
    let said = studio.preflight(&parts).await;
    assert_eq!(studio.state().await["limits"]["used_files"], "0");
    for (path, bytes) in &files {
        studio.upload(path, bytes).await;
    }
    let receipt = studio.submit().await;
    // Every finding of submit, as one line for each file, and the same of preflight.
    let mut of_submit = Vec::new();
    let mut together = Vec::new();
    for finding in receipt["findings"].as_array().unwrap() {
        let files = finding["files"].as_array().unwrap();
        let rule = finding["rule"].as_str().unwrap();
        if rule.starts_with("mixed") {
            together.push(finding.clone());
            continue;
        }
        let message = finding["message"].as_str().unwrap();
        let text = message.split_once(": ").unwrap().1;
        of_submit.extend(files.iter().map(|file| {
            let severity = &finding["severity"];
            format!("{} {rule} {severity} {text}", file.as_str().unwrap())
        }));
    }
    let mut of_preflight = Vec::new();
    for file in &said["files"].as_array().unwrap()[..files.len()] {
        assert_eq!(
            (&file["action"], &file["known"]),
            (&"upload".into(), &"header".into())
        );
        for finding in file["findings"].as_array().unwrap() {
            of_preflight.push(format!(
                "{} {} {} {}",
                file["normalised"].as_str().unwrap(),
                finding["rule"].as_str().unwrap(),
                finding["severity"],
                finding["message"].as_str().unwrap()
            ));
        }
    }
    of_submit.sort();
    of_preflight.sort();
    assert_eq!(of_submit, of_preflight);
    assert!(of_submit.len() >= 4, "{of_submit:?}");
    assert_eq!(said["session"], json!(together));
    assert_eq!(said["files"][6]["action"], "skip");
    assert_eq!(said["forbidden"][0]["path"], "../up.wav");
    // It came back at once: what is in it need not be sent again.
    assert_eq!(receipt["review"]["state"], "returned");
    let again = studio.preflight(&parts[..1]).await;
    assert_eq!(again["files"][0]["action"], "already_here");
    let mended = [part("S/short.wav", long.len(), &long)];
    let again = studio.preflight(&mended).await;
    assert_eq!(again["files"][0]["action"], "upload");
    assert_eq!(again["files"][0]["findings"], json!([]));
    assert!(studio.preflight(&[]).await["session"].is_array());
}

/// More files than fit in a request: what is wrong with them beside each other is said when all are
/// compared, in the words in which one request says it, and not before.
#[tokio::test]
async fn files_of_several_requests_are_compared_as_those_of_one() {
    let studio = Studio::new().await;
    let whole = wav(48_000, 100);
    let files: [(&str, Vec<u8>); 9] = [
        ("S/a.wav", whole.clone()),
        ("S/Cafe\u{301}.wav", whole.clone()),
        ("S/take", b"a note".to_vec()),
        ("S/Gtr.L.wav", whole.clone()),
        ("S/short.wav", whole[..90].to_vec()),
        ("S/A.wav", wav(48_000, 50)),
        ("S/CAF\u{c9}.wav", whole.clone()),
        ("S/take/1.wav", wav(44_100, 10)),
        ("S/Gtr.R.wav", whole.clone()),
    ];
    let of = |(path, bytes): &(&str, Vec<u8>)| part(path, bytes.len(), bytes);
    let all: Vec<_> = files.iter().map(of).collect();
    let expected = studio.preflight(&all).await;
    let mut said = studio.preflight_in("part", &all[..5]).await;
    let more = studio.preflight_in("part", &all[5..]).await;
    assert_eq!(
        (&said["session"], &more["session"]),
        (&json!([]), &json!([]))
    );
    let list = |said: &Value| said["files"].as_array().unwrap().clone();
    let mut each = list(&said);
    each.extend(list(&more));
    let again = each.iter().zip(&files).map(|(file, (path, bytes))| {
        assert!(file["seen"].is_object(), "{file}");
        framed(
            &json!({"path": path, "length": bytes.len().to_string(), "seen": file["seen"]}),
            b"",
        )
    });
    let again: Vec<_> = again.collect();
    said = studio.preflight_in("together", &again).await;
    assert_eq!(said["session"], expected["session"]);
    assert_eq!(said["session"][0]["rule"], "mixed_sample_rates");
    let findings = |files: &[Value]| {
        let words = |file: &Value| {
            let path = file["normalised"].clone();
            let found = file["findings"].as_array().unwrap().clone();
            found.into_iter().map(move |it| format!("{path} {it}"))
        };
        let mut all: Vec<_> = files.iter().flat_map(words).collect();
        all.sort();
        all
    };
    let compared = |it: &String| it.contains("\"compared\":true");
    let (before, after) = (findings(&each), findings(&list(&said)));
    assert!(!before.iter().any(compared) && after.iter().all(compared));
    assert_eq!(before.len() + after.len(), findings(&list(&expected)).len());
    assert_eq!(
        findings(&[each, list(&said)].concat()),
        findings(&list(&expected))
    );
    for (path, rule) in [
        ("S/A.wav", "names"),
        ("S/CAF\u{c9}.wav", "names"),
        ("S/take", "same_name"),
    ] {
        let found = |it: &String| it.contains(path) && it.contains(rule);
        assert!(after.iter().any(found), "{path}: {after:?}");
    }
    let no = studio.at_link("POST", "preflight?scope=x", &[MEDIA], Body::empty());
    assert!(no.await.expect(400).text().contains("together"));
}

#[tokio::test]
async fn a_preflight_that_is_none_is_refused_in_a_sentence() {
    let studio = Studio::new().await;
    let ask = |headers: &'static [&'static str], body: Vec<u8>| {
        studio.at_link("POST", "preflight", headers, Body::from(body))
    };
    let good = part("a.wav", 10, b"RIFF");
    for (headers, body, status) in [
        (&[][..], good.clone(), 400),
        (&["Content-Type: multipart/form-data"], good.clone(), 400),
        (&[MEDIA], good[..9].to_vec(), 400),
        (&[MEDIA], b"not at all".to_vec(), 400),
        (&[MEDIA], part("a.wav", 3, b"RIFF"), 400),
        (&[MEDIA], part("a.wav", 9, b"RIFF").repeat(257), 413),
    ] {
        let answer = ask(headers, body).await.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.len() > 20, "{detail}");
    }
    let answer = studio.at_link("POST", "preflight", &[MEDIA], crate::studio::broken(&good));
    answer.await.expect(400);
    let path = format!("/u/{}/preflight", studio.link);
    studio.get(&path, &[]).await.expect(405);
}

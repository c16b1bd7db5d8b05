//! Downloads: ranges, conditions, and no wrong byte.

use std::fs;

use stemvault_storage::link::Scope;

use crate::studio::{Studio, b3, noise, whole};

const MIB: usize = 1 << 20;

/// A session with one file of three blocks, and the address of that file.
async fn delivered(file: &[u8]) -> (Studio, String, String) {
    let studio = Studio::new().await;
    let at = studio.create("Mix/Flöte 1.bin", file.len() as u64).await;
    studio.patch(&at, 0, None, whole(file)).await.expect(204);
    let receipt = studio.submit().await;
    let link = studio.session_link(&receipt).await;
    let path = format!("{link}/Mix/Fl%C3%B6te%201.bin");
    (studio, link, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_fit_together() {
    let file = noise(20, 9 * MIB);
    let (studio, link, path) = delivered(&file).await;
    let tag = format!("\"{}\"", b3(&file));
    let all = studio.get(&path, &[]).await.expect(200);
    assert!(all.body == file);
    assert_eq!(
        (all.header("etag"), all.header("accept-ranges")),
        (tag.as_str(), "bytes")
    );
    assert_eq!(all.header("content-length"), (9 * MIB).to_string());
    assert_eq!(
        all.header("content-disposition"),
        "attachment; filename=\"Fl_te 1.bin\"; filename*=UTF-8''Fl%C3%B6te%201.bin"
    );
    let head = studio
        .ask(
            "HEAD",
            &path,
            &["Range: bytes=0-1"],
            axum::body::Body::empty(),
        )
        .await;
    let head = head.expect(200);
    assert_eq!(
        (head.body.len(), head.header("content-length")),
        (0, "9437184")
    );

    let part = studio
        .get(&path, &["Range: bytes=4194300-4194309"])
        .await
        .expect(206);
    assert!(part.body == file[4_194_300..4_194_310]);
    assert_eq!(
        part.header("content-range"),
        "bytes 4194300-4194309/9437184"
    );
    let rest = studio
        .get(&path, &["Range: bytes=-3", &format!("If-Range: {tag}")])
        .await;
    assert!(rest.expect(206).body == file[9 * MIB - 3..]);
    let changed = studio
        .get(&path, &["Range: bytes=-3", "If-Range: \"other\""])
        .await;
    assert_eq!(changed.expect(200).body.len(), file.len());
    let none = studio
        .get(&path, &["Range: bytes=9437184-"])
        .await
        .expect(416);
    assert_eq!(none.header("content-range"), "bytes */9437184");
    let same = studio
        .get(&path, &[&format!("If-None-Match: {tag}")])
        .await
        .expect(304);
    assert_eq!((same.body.len(), same.header("etag")), (0, tag.as_str()));
    studio
        .get(&path, &["If-Match: \"other\""])
        .await
        .expect(412);
    studio
        .get(&format!("{link}/nothing.bin"), &[])
        .await
        .expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_come_in_one_body() {
    let file = noise(21, 9 * MIB);
    let (studio, _, path) = delivered(&file).await;
    let several = studio
        .get(&path, &["Range: bytes=0-1,8388607-8388610,-2"])
        .await
        .expect(206);
    let kind = several.header("content-type");
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert_eq!(
        several.header("content-length"),
        several.body.len().to_string()
    );
    let mut expected = Vec::new();
    for (from, to) in [(0, 2), (8_388_607, 8_388_611), (9_437_182, 9_437_184)] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {from}-{}/9437184\r\n\r\n",
            to - 1
        );
        expected.extend(head.bytes());
        expected.extend(&file[from..to]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
    assert!(several.body == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_never_leaves() {
    let file = noise(22, 12 * MIB);
    let (studio, link, path) = delivered(&file).await;
    let parts: Vec<_> = [0, 1, 2]
        .map(|n| format!("Range: bytes={}-{}", n * 4 * MIB, (n + 1) * 4 * MIB - 1))
        .into();
    // Whichever block this is, it is found.
    let object = &studio.objects()[0];
    let mut sealed = fs::read(object).unwrap();
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    fs::write(object, sealed).unwrap();
    let mut bad = Vec::new();
    for (n, range) in parts.iter().enumerate() {
        let part = studio.get(&path, &[range]).await;
        if part.status == 206 {
            assert!(part.body == file[n * 4 * MIB..(n + 1) * 4 * MIB]);
        } else {
            assert!(part.expect(500).text().contains("damaged: block"));
            bad.push(n);
        }
    }
    let &[bad] = bad.as_slice() else {
        panic!("one block is damaged, not {bad:?}");
    };
    let all = studio.get(&path, &[]).await;
    if bad == 0 {
        all.expect(500);
    } else {
        let all = all.expect(200);
        assert!(all.broken && all.body == file[..bad * 4 * MIB]);
        let several = studio.get(&path, &["Range: bytes=0-0,-1"]).await;
        assert_eq!(several.broken, bad == 2);
    }
    studio
        .get(&link, &["Accept: application/json"])
        .await
        .expect(200);
}

#[tokio::test]
async fn a_link_opens_what_it_is_for() {
    let file = noise(23, 100);
    let (studio, link, _) = delivered(&file).await;
    let receipt = studio
        .get(&link, &["Accept: application/json"])
        .await
        .expect(200)
        .json();
    assert_eq!(receipt["files"][0]["hash"], b3(&file));
    let page = studio.get(&link, &["Accept: text/html"]).await.expect(200);
    assert!(
        page.text()
            .contains(&format!("href=\"{link}/Mix/Fl%C3%B6te%201.bin\"")),
        "{}",
        page.text()
    );
    let scope = Scope::File {
        session: receipt["session"].as_str().unwrap().parse().unwrap(),
        path: "Mix/Flöte 1.bin".to_owned(),
    };
    let (_, one) = studio
        .app
        .vault
        .access
        .create_link(studio.order.id, scope, None)
        .await
        .unwrap();
    let one = format!("/d/{}", one.reveal());
    assert!(studio.get(&one, &[]).await.expect(200).body == file);
    studio
        .get(&format!("{one}/Mix/Fl%C3%B6te%201.bin"), &[])
        .await
        .expect(404);
    studio
        .get("/d/nothing", &["Accept: text/html"])
        .await
        .expect(404);
}

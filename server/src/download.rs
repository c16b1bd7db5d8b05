//! Downloads: `/d/{link}` and the one function through which every file leaves.
//!
//! Nothing leaves that was not checked. The first blocks are read and checked before the headers
//! are sent, so that damage there is an error; damage further on ends the body early, and the
//! client sees that it is short. The entity tag is the file's hash, so that ranges of one file always fit
//! together, whenever and wherever they are asked for.

use std::ops::Range;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use stemvault_storage::Error;
use stemvault_storage::audit::Actor;
use stemvault_storage::ids::{OrderId, SessionId, Token};
use stemvault_storage::link::{Link, Scope};
use stemvault_storage::outlet::Source;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::FileEntry;

use crate::app::{App, SharedApp};
use crate::bag;
use crate::error::{Answer, Failure};
use crate::keeping::keeping;
use crate::pace::Cost;
use crate::pages::client::session::session_page;
use crate::pages::failed;
use crate::ranges::{Wanted, wanted};
use crate::route::{Routes, bytes, nothing, route};
use crate::turns::Asked;
use crate::upload_link::closed;
use stemvault_client::attachment::{content_type, disposition};

/// Blocks of a file, each checked.
pub(crate) type Verified = BoxStream<'static, Result<Bytes, Error>>;

/// So much is checked before the headers are sent. More than the first block, which of an audio
/// file is its header only.
const CHECKED_FIRST: usize = 1 << 20;

/// How long what was sent before a damaged block has to get away.
const FAREWELL: Duration = Duration::from_millis(250);

/// Downloads at `/d/{link}`.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .on_slashed(
            route!(get "/d/{link}" Link nothing() => 200 bytes(); "A file link: the file. A session link: its page; with Accept: application/json the receipt").query(&[(
                    "bag",
                    "Of a session link: zip, the session as a bag (BagIt 1.0); parts, what it holds beside the files",
                )]),
            look,
        )
        .on(
            route!(get "/d/{link}/{*path}" Link nothing() => 200 bytes(); "A file of a session link; ranges, ETag, If-Range"),
            file,
        )
}

async fn look(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let opened = open(&app, &link).await;
    let asked = Asked {
        link: opened.as_ref().ok().map(|(link, _)| link.id),
        method: &method,
        headers: &headers,
        extensions: &extensions,
    };
    let answer = match (opened, bag::Form::asked(query.as_deref())) {
        (Ok((of, Scope::Session { session })), Some(form)) => {
            let who = Actor::Link(of.id);
            bag::serve(&app, who, (of.order, session), form, &asked).await
        }
        (opened, _) => look_at(&app, opened, &link, &asked).await,
    };
    answer.unwrap_or_else(|failure| failed(failure, &headers, app.prefix()))
}

async fn look_at(
    app: &App,
    opened: Answer<(Link, Scope)>,
    link: &str,
    asked: &Asked<'_>,
) -> Answer {
    match opened? {
        (of, Scope::File { session, path }) => send(app, &of, session, &path, asked).await,
        (of, Scope::Session { session }) => {
            session_page(app, &of, session, link, asked.headers).await
        }
        (_, Scope::Upload) => Err(closed()),
    }
}

async fn file(
    State(app): State<SharedApp>,
    Path((link, path)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let answer = match open(&app, &link).await {
        Ok((link, Scope::Session { session })) => {
            let asked = Asked {
                link: Some(link.id),
                method: &method,
                headers: &headers,
                extensions: &extensions,
            };
            send(&app, &link, session, &path, &asked).await
        }
        Ok(_) => Err(closed()),
        Err(failure) => Err(failure),
    };
    answer.unwrap_or_else(|failure| failed(failure, &headers, app.prefix()))
}

/// The download link that a text is, and what it opens.
async fn open(app: &App, text: &str) -> Answer<(Link, Scope)> {
    let link = app.vault.access.open_link(&Token::presented(text)).await?;
    let link = link.ok_or_else(closed)?;
    let scope = link.scope.clone();
    Ok((link, scope))
}

async fn send(app: &App, link: &Link, session: SessionId, path: &str, asked: &Asked<'_>) -> Answer {
    let source = app.vault.outlet.file(link.order, session, path).await?;
    let response = serve(app, source, asked).await?;
    let who = Actor::Link(link.id);
    let status = response.status();
    note(app, who, (link.order, session), asked.method, status).await;
    Ok(response)
}

/// Puts on record that bytes of a session leave, before they do. Nobody goes without what is theirs
/// because a line of the log cannot be written: that is in the server's log then.
pub(crate) async fn note(
    app: &App,
    who: Actor,
    (order, session): (OrderId, SessionId),
    method: &Method,
    status: StatusCode,
) {
    if method != Method::GET || !status.is_success() {
        return;
    }
    let name = who.to_string();
    let noted = Box::pin(app.vault.by(who).downloads.downloaded(order, session)).await;
    if let Err(error) = noted {
        tracing::error!(%order, %session, who = name, %error, "a download is not in the audit log of its order");
    }
}

/// Answers GET and HEAD of a file: conditions, ranges, and verified bytes.
///
/// # Errors
/// When the first blocks that are asked for are damaged or cannot be read; when too many downloads
/// run at once.
pub async fn serve(app: &App, source: Source, asked: &Asked<'_>) -> Answer {
    let (headers, method) = (asked.headers, asked.method);
    let file = source.entry().clone();
    let tag = format!("\"{}\"", file.hash);
    if matches(headers, &header::IF_MATCH, &tag) == Some(false) {
        let message = format!(
            "{:?} is not the file that was asked for any more: get it from the start",
            file.path.as_str()
        );
        let mut response = Failure::refused(RefusalKind::BadRequest, message).into_response();
        *response.status_mut() = StatusCode::PRECONDITION_FAILED;
        return Ok(response);
    }
    if matches(headers, &header::IF_NONE_MATCH, &tag) == Some(true) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        validators(&mut response, &tag);
        return Ok(response);
    }
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    // A range of another version than the client has the rest of would be a broken file.
    let same = headers
        .get(header::IF_RANGE)
        .is_none_or(|have| have == tag.as_str());
    let wanted = match range {
        Some(range) if method == Method::GET && same => wanted(range, file.length),
        _ => Wanted::Whole,
    };
    if wanted == Wanted::Nothing {
        return Ok(outside(&file, &tag));
    }
    let turn = match *method {
        Method::HEAD => None,
        _ => Some(asked.turn(app).await?),
    };
    let source = match &turn {
        Some(turn) => source.lent(&turn.share),
        None => source,
    };
    let mut cost = Cost(0);
    let mut response = match wanted {
        Wanted::Whole | Wanted::Nothing => {
            let mut response = one(&source, 0..file.length, method).await?;
            describe_file(&mut response, &file);
            response
        }
        Wanted::Parts(parts) => {
            let unasked = |range: &Range<u64>| source.read_for(range) - (range.end - range.start);
            cost = Cost::of_unasked(parts.iter().map(unasked).sum());
            match <[Range<u64>; 1]>::try_from(parts) {
                Ok([range]) => {
                    let said = content_range(&range, file.length);
                    let mut response = one(&source, range, method).await?;
                    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                    describe_file(&mut response, &file);
                    insert(&mut response, header::CONTENT_RANGE, &said);
                    response
                }
                Err(parts) => several(&source, &parts, &file).await?,
            }
        }
    };
    validators(&mut response, &tag);
    response.extensions_mut().insert(cost);
    Ok(match turn {
        Some(turn) => keeping(response, turn),
        None => response,
    })
}

async fn one(source: &Source, range: Range<u64>, method: &Method) -> Answer {
    let length = range.end - range.start;
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(checked(source.stream(range)).await?)
    };
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// Several ranges in one body, each with its place (RFC 9110, 14.6).
async fn several(source: &Source, parts: &[Range<u64>], file: &FileEntry) -> Answer {
    // Whatever the file holds, it is not likely to hold its own hash in the middle.
    let boundary = format!("stemvault-{}", &file.hash.to_string()[..32]);
    let kind = content_type(file.path.file_name());
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let mut length = end.len() as u64;
    let mut body: Verified = stream::empty().boxed();
    for (at, range) in parts.iter().enumerate() {
        let said = content_range(range, file.length);
        let head = Bytes::from(format!(
            "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {said}\r\n\r\n"
        ));
        length += head.len() as u64 + (range.end - range.start);
        let bytes = if at == 0 {
            checked(source.stream(range.clone())).await?
        } else {
            // Not read before it is its turn.
            let (source, range) = (source.clone(), range.clone());
            stream::once(async move { source.stream(range) })
                .flatten()
                .then(gently)
                .boxed()
        };
        body = body.chain(stream::iter([Ok(head)])).chain(bytes).boxed();
    }
    let body = Body::from_stream(body.chain(stream::iter([Ok(end)])));
    let mut response = (StatusCode::PARTIAL_CONTENT, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    describe_file(&mut response, file);
    let kind = format!("multipart/byteranges; boundary={boundary}");
    insert(&mut response, header::CONTENT_TYPE, &kind);
    Ok(response)
}

/// The stream, after its first [`CHECKED_FIRST`] bytes were read and checked.
pub(crate) async fn checked(mut bytes: Verified) -> Result<Verified, Error> {
    let (mut first, mut length) = (Vec::new(), 0);
    while length < CHECKED_FIRST
        && let Some(block) = bytes.next().await
    {
        let block = block?;
        length += block.len();
        first.push(Ok(block));
    }
    Ok(stream::iter(first).chain(bytes.then(gently)).boxed())
}

/// Lets what was sent before a damaged block get away first: in HTTP/2 the end of a stream that
/// failed overtakes what is still queued, the headers even.
async fn gently(block: Result<Bytes, Error>) -> Result<Bytes, Error> {
    if block.is_err() {
        tokio::time::sleep(FAREWELL).await;
    }
    block
}

fn outside(file: &FileEntry, tag: &str) -> Response {
    let message = format!(
        "{:?} has {} bytes, and none of those that were asked for",
        file.path.as_str(),
        file.length
    );
    let mut response = Failure::refused(RefusalKind::BadRequest, message).into_response();
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    let whole = format!("bytes */{}", file.length);
    insert(&mut response, header::CONTENT_RANGE, &whole);
    validators(&mut response, tag);
    response
}

fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end - 1)
}

/// Whether a list of entity tags names ours; `None` without the header. Ours never changes its
/// meaning, so weak and strong comparison are one.
fn matches(headers: &HeaderMap, name: &HeaderName, tag: &str) -> Option<bool> {
    headers.get(name)?;
    let lists = headers.get_all(name).iter();
    let mut tags = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim);
    Some(tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag))
}

fn validators(response: &mut Response, tag: &str) {
    insert(response, header::ETAG, tag);
    insert(response, header::ACCEPT_RANGES, "bytes");
    // Kept by nobody but the one who asked, and asked for again each time: a link can be revoked.
    // Not "no-store", with which some browsers do not resume a download.
    insert(response, header::CACHE_CONTROL, "private, no-cache");
}

fn describe_file(response: &mut Response, file: &FileEntry) {
    let name = file.path.file_name();
    if let Some(at) = file.changed_at() {
        insert(response, header::LAST_MODIFIED, &http_date(at));
    }
    insert(response, header::CONTENT_TYPE, content_type(name));
    insert(response, header::CONTENT_DISPOSITION, &disposition(name));
    insert(
        response,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    );
}

/// As HTTP writes it (RFC 9110, 5.6.7).
pub(crate) fn http_date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    let value = HeaderValue::try_from(value).expect("made of plain ASCII");
    response.headers_mut().insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_one_by_one() {
        let asked = |list: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(list));
            matches(&headers, &header::IF_NONE_MATCH, "\"ab\"")
        };
        assert_eq!(asked("\"cd\", \"ab\""), Some(true));
        assert_eq!(asked("W/\"ab\""), Some(true));
        assert_eq!(asked("*"), Some(true));
        assert_eq!(asked("\"abc\""), Some(false));
        assert_eq!(
            matches(&HeaderMap::new(), &header::IF_MATCH, "\"ab\""),
            None
        );
    }
}

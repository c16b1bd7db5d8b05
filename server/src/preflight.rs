//! Preflight over HTTP: paths, lengths and first bytes of many files in one request, and what
//! submit would say of them. More files than fit are asked about in parts, and then compared by what
//! each answer said of them (`seen`).
//!
//! Nothing is written. `stemvault push` asks the same code on its own machine.

pub(crate) mod heads;
mod pace;

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use stemvault_storage::checks::facts::Known;
use stemvault_storage::checks::preflight::{self, Candidate, Seen, preflight_of};
use stemvault_storage::checks::{Rule, Scope, Severity};
use stemvault_storage::path::SessionPath;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::{Kind, Rules};
use utoipa::ToSchema;

use crate::app::{App, SharedApp};
use crate::error::{Answer, Failure};
use crate::frames::{Frame, Row};
use crate::pace::Cost;
use crate::submit::rules;
use crate::upload::receive::SharedBody;
use crate::upload_link;

use heads::Again;
pub(crate) use heads::Head;
pub use heads::{BODY_MAX, FILES_MAX, TOGETHER_MAX};
pub use pace::Paces;

/// What submit would say of files that are not uploaded yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preflight {
    /// One for each file that can be uploaded, in the order of the request.
    pub files: Vec<Verdict>,
    /// What is wrong with them together, beside those that are here.
    pub session: Vec<Together>,
    /// Paths that cannot be uploaded.
    pub forbidden: Vec<Forbidden>,
}

/// What is to be said of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// The path as it was sent.
    pub path: String,
    /// The path that it has in the session.
    pub normalised: String,
    /// `upload`, `already_here` or `skip`.
    pub action: &'static str,
    /// `header`: all that submit judges by was in the head; `format` or `length`: a longer head
    /// would tell more.
    #[schema(value_type = String)]
    pub known: Known,
    /// What is compared of it, to be sent back as `seen` with the scope `together`; none if that is
    /// not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub seen: Option<Seen>,
    /// What is wrong with it.
    pub findings: Vec<Remark>,
}

/// Something to say of one file.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Remark {
    /// A rule of the settings, or `junk`, `folder`, `same_name`, `limit`.
    pub rule: &'static str,
    /// `warn`, or `refuse`: the file cannot stay as it is.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// What is wrong and what to do, without the file's name.
    pub message: String,
    /// Whether it was found by comparing the file with others: an answer about all replaces it.
    pub compared: bool,
}

/// Something to say of several files.
#[derive(Debug, Serialize, ToSchema)]
pub struct Together {
    /// A rule of the settings, or `limit`.
    pub rule: &'static str,
    /// `warn` or `refuse`.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// Which files, by their paths in the session.
    pub files: Vec<String>,
    /// Which files, what is wrong and what to do.
    pub message: String,
}

/// A path that cannot be uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forbidden {
    /// As it was sent.
    pub path: String,
    /// Why, and what to do.
    pub message: String,
}

impl From<preflight::Preflight> for Preflight {
    fn from(said: preflight::Preflight) -> Self {
        let remark = |remark: preflight::Remark| Remark {
            rule: remark.rule,
            severity: remark.severity,
            message: remark.message,
            compared: remark.compared,
        };
        let verdict = |verdict: preflight::Verdict| Verdict {
            path: verdict.path,
            normalised: verdict.normalised,
            action: verdict.action.name(),
            known: verdict.known,
            seen: verdict.seen,
            findings: verdict.findings.into_iter().map(remark).collect(),
        };
        let together = |together: preflight::Together| Together {
            rule: together.rule,
            severity: together.severity,
            files: together.files,
            message: together.message,
        };
        let forbidden = |(path, message)| Forbidden { path, message };
        Self {
            files: said.files.into_iter().map(verdict).collect(),
            session: said.session.into_iter().map(together).collect(),
            forbidden: said.forbidden.into_iter().map(forbidden).collect(),
        }
    }
}

/// The query of a request, as it is described.
pub(crate) const SCOPE: (&str, &str) = (
    "scope",
    "all (if absent); part, some of more files: nothing is compared; together: files that were looked at before, each with its seen, are compared",
);

/// What a request asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    scope: Scope,
}

/// Files, named or here, that cost as much to judge as a small request.
const JUDGED: u64 = 50;

/// The files of a request.
async fn files<F: Frame<File = Candidate>>(
    app: &App,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Answer<Vec<Candidate>> {
    let mut row = Row::<F>::of(app, headers, body)?;
    let mut candidates = Vec::new();
    while let Some(files) = row.next().await? {
        candidates.extend(files);
    }
    Ok(candidates)
}

/// Answers a request by an upload link.
pub(crate) async fn check(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Answer {
    // The link first: what a stranger sends is not read.
    let link = upload_link::open(&app, &link).await?;
    app.paces.preflight(link.id, app.clock.monotonic())?;
    let Ok(Query(Asked { scope })) = asked else {
        let message = "a preflight takes `scope`: `part` for some of more files, `together` to compare files that were looked at before";
        return Err(Failure::refused(RefusalKind::BadRequest, message));
    };
    let (parts, body) = request.into_parts();
    let (headers, body) = (&parts.headers, SharedBody::new(body));
    let candidates = match scope {
        Scope::All | Scope::Part => files::<Head>(&app, headers, &body).await?,
        Scope::Together => files::<Again>(&app, headers, &body).await?,
    };
    let order = app.vault.core.order(link.order).await?;
    order.check_takes_files()?;
    let standing = app.vault.sessions.standing(&order, Kind::Material).await?;
    let mut room = app.vault.quota.room(order.id, Some(&link)).await?;
    // What is to go on where it stopped has its place already.
    let coming: BTreeSet<_> = candidates
        .iter()
        .filter_map(|it| SessionPath::parse(&it.path).ok())
        .map(|path| path.as_str().to_owned())
        .collect();
    for upload in &standing.unfinished {
        if coming.contains(upload.path.as_str()) {
            room.free(upload.length.unwrap_or(upload.offset));
        }
    }
    let (here, rules) = (&standing.here, rules(&app.settings));
    let mut said = preflight_of(scope, &candidates, here, Some(&room), severity(&rules));
    if scope == Scope::Together {
        // Of the others all was said before.
        said.files.retain(|file| !file.findings.is_empty());
    }
    let mut answer = upload_link::json(StatusCode::OK, Preflight::from(said));
    let judged = (candidates.len() + here.len()) as u64;
    answer.extensions_mut().insert(Cost(judged / JUDGED));
    Ok(answer)
}

/// The severity of each rule, where one that is not set is not looked for.
pub fn severity(rules: &Rules) -> impl Fn(Rule) -> Severity {
    |rule| rules.get(&rule).copied().unwrap_or(Severity::Ignore)
}

/// The rules in force by their names, as they are told to programs.
#[must_use]
pub fn told(rules: &Rules) -> BTreeMap<&'static str, Severity> {
    let told = rules
        .iter()
        .map(|(rule, severity)| (rule.name(), *severity));
    told.collect()
}

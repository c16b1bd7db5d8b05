//! How an order stands, for the upload page and for whoever asks by the upload link: what is here,
//! what is missing before a submit, what the form holds, how much more fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use stemvault_storage::checks::preflight::HEAD_MAX;
use stemvault_storage::checks::{self, Severity};
use stemvault_storage::link::Link;
use stemvault_storage::names;
use stemvault_storage::order::{Order, Stage};
use stemvault_storage::session::{Form, Kind};
use stemvault_storage::upload;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Answer;
use crate::form::{FORM_MAX, Field, fields, problem};
use crate::language::Language;
use crate::preflight::{BODY_MAX, FILES_MAX, TOGETHER_MAX, severity, told};
use crate::submit::{known_form, rules};
use crate::wire::{Finding, Limits, Receipt, Upload, Uploads};

/// How an order stands before a submit.
#[derive(Debug, Serialize, ToSchema)]
pub struct State {
    /// The order's number.
    pub order: String,
    /// The record's or song's title.
    pub title: Option<String>,
    /// Band, label or person.
    pub client: Option<String>,
    /// The studio's name; not known yet.
    pub studio: Option<String>,
    /// Whether files may come in.
    pub stage_open: bool,
    /// What an upload link takes: `material`.
    pub kind: &'static str,
    /// Oldest first.
    pub uploads: Vec<Upload>,
    /// The receipt of what was submitted last.
    pub session: Option<Receipt>,
    /// The path of its page.
    pub receipt: Option<String>,
    /// Whether everything that is here was submitted, and nobody waits for the client.
    pub submitted: bool,
    /// What stands between what is here and a submit, each with what to do.
    pub missing: Vec<String>,
    /// What the checks would find in what is here.
    pub findings: Vec<Finding>,
    /// The form of the studio's terms.
    pub form: FormState,
    /// How much may come through this link, and what is here.
    pub limits: Limits,
    /// What each intake rule does: `ignore`, `warn` or `refuse`.
    #[schema(value_type = BTreeMap<String, String>)]
    pub rules: BTreeMap<&'static str, Severity>,
    /// How a preflight is asked for.
    pub preflight: PreflightState,
    /// Names of what is left out, in small letters; one that ends in `*` is a beginning.
    pub junk: Vec<String>,
}

/// The form, with what was entered so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormState {
    /// In the order of the page.
    pub fields: Vec<FieldState>,
    /// Bytes of all names and values together, at most.
    pub max_bytes: usize,
}

/// A field of the form.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldState {
    /// Its name in the form.
    pub name: String,
    /// What stands beside it, in the language that is asked for (`Accept-Language`: `en`, `fr`).
    pub label: String,
    /// What helps to fill it in, in that language.
    pub hint: Option<String>,
    /// Whether a submit needs it.
    pub required: bool,
    /// `text`, `longtext`, `number` or `isrc`.
    pub kind: &'static str,
    /// What was entered.
    pub value: Option<String>,
    /// What is wrong with that.
    pub problem: Option<&'static str>,
}

/// How a preflight is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreflightState {
    /// Bytes of a head, at most.
    pub bytes: String,
    /// Files in one request, at most.
    pub max_files: String,
    /// Files that can be compared by one request, at most.
    pub max_together: String,
    /// Bytes of one request, at most.
    pub max_body: String,
}

/// An order's uploads, with what a program has to know before it sends more, through `link` if it
/// asks by one.
///
/// # Errors
/// Those of the catalog.
pub async fn listed(
    app: &App,
    order: &Order,
    uploads: &[Arc<upload::Upload>],
    link: Option<&Link>,
) -> Answer<Uploads> {
    Ok(Uploads {
        order: order.number.to_string(),
        uploads: shown(uploads),
        rules: told(&rules(&app.settings)),
        limits: app.vault.quota.room(order.id, link).await?.into(),
    })
}

fn shown(uploads: &[Arc<upload::Upload>]) -> Vec<Upload> {
    uploads.iter().map(|it| Upload::from(&**it)).collect()
}

/// How the order stands, seen from an upload link, of which `at` is the path; the form speaks the language of `words`.
///
/// # Errors
/// Those of the catalog and the stores.
pub async fn state(
    app: &App,
    order: &Order,
    uploads: &[Arc<upload::Upload>],
    link: &Link,
    at: &str,
    words: Language,
) -> Answer<State> {
    let kind = Kind::Material;
    let standing = app
        .vault
        .sessions
        .standing_with(order, kind, uploads)
        .await?;
    let form = known_form(app, order.id).await?;
    let fields = fields(&app.settings.orders.required_form, words);
    let session = match &standing.latest {
        Some(row) => Some(app.vault.manifests.receipt(order.id, row.session).await?),
        None => None,
    };
    let returned = session
        .as_ref()
        .is_some_and(|it| it.row.review.is_returned());
    let rules = rules(&app.settings);
    let found = checks::check(
        standing.here.iter().map(|it| (it.path.as_str(), &it.facts)),
        severity(&rules),
    );
    let mut missing = Vec::new();
    if !standing.submitted {
        missing.extend(standing.obstacle.map(|refusal| refusal.message));
        missing.extend(fields.iter().filter_map(|field| {
            let problem = problem(field, &form)?;
            Some(format!("{}: {problem}", field.label))
        }));
    }
    let receipt = session.as_ref();
    let receipt = receipt.map(|it| format!("{at}/receipts/{}", it.row.session));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(State {
        order: order.number.to_string(),
        title: order.client.title.clone(),
        client: some(&order.client.name),
        studio: None,
        stage_open: matches!(order.stage(), Stage::Open | Stage::Sealing),
        kind: Kind::Material.name(),
        uploads: shown(uploads),
        submitted: standing.submitted && !returned,
        session: session.as_ref().map(Receipt::from),
        receipt,
        missing,
        findings: found.iter().map(Finding::from).collect(),
        form: FormState {
            fields: fields
                .into_iter()
                .map(|field| entered(field, &form))
                .collect(),
            max_bytes: FORM_MAX,
        },
        limits: app.vault.quota.room(order.id, Some(link)).await?.into(),
        rules: told(&rules),
        preflight: PreflightState {
            bytes: HEAD_MAX.to_string(),
            max_files: FILES_MAX.to_string(),
            max_together: TOGETHER_MAX.to_string(),
            max_body: BODY_MAX.to_string(),
        },
        junk: names::junk(),
    })
}

fn entered(field: Field, form: &Form) -> FieldState {
    let value = form.get(&field.name).cloned();
    // An empty field is no mistake yet.
    let problem = problem(&field, form).filter(|_| value.is_some());
    FieldState {
        problem,
        value,
        kind: field.entry.name(),
        hint: field.hint,
        required: field.required,
        name: field.name,
        label: field.label,
    }
}
